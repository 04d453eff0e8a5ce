package collections_test

import (
	"fmt"
	"strings"

	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/verify/collections"
)

// An element was added, and is not there. The claim that this is ok is refused, the
// one that it is not is confirmed.
func Example() {
	h, err := history.Read(strings.NewReader(`
{"process":0,"type":"invoke","f":"add","value":1}
{"process":0,"type":"ok","f":"add","value":1}
{"process":1,"type":"invoke","f":"read","value":null}
{"process":1,"type":"ok","f":"read","value":[]}
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, claim := range []string{
		`{"definition":"set-full","verdict":"ok"}`,
		`{"definition":"set-full","verdict":"invalid","evidence":{"anomaly":"lost","ops":[0,2]}}`,
	} {
		_, err := collections.Definitions.Confirm(h, []byte(claim))
		fmt.Println(err)
	}
	// Output:
	// index 3 has 0 of the 1 elements that it has to have
	// <nil>
}
