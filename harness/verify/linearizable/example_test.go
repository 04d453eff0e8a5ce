package linearizable_test

import (
	"fmt"
	"strings"

	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/verify/linearizable"
)

// A read that returns what was overwritten before it began. The claim that this is
// ok is refused, the one that it is not is confirmed.
func Example() {
	h, err := history.Read(strings.NewReader(`
{"process":0,"type":"invoke","f":"write","value":1}
{"process":0,"type":"ok","f":"write","value":1}
{"process":0,"type":"invoke","f":"write","value":2}
{"process":0,"type":"ok","f":"write","value":2}
{"process":1,"type":"invoke","f":"read","value":null}
{"process":1,"type":"ok","f":"read","value":1}
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, claim := range []string{
		`{"definition":"linearizable","parameters":{"model":"register"},"verdict":"ok","evidence":{"orders":[{"order":[0,4,2]}]}}`,
		`{"definition":"linearizable","parameters":{"model":"register"},"verdict":"invalid","evidence":{"proof":"search","rule":"prefix","until":5}}`,
	} {
		_, err := linearizable.Definitions.Confirm(h, []byte(claim))
		fmt.Println(err)
	}
	// Output:
	// index 2: the operation ended before the one at index 4 began, which is before it in the order
	// <nil>
}
