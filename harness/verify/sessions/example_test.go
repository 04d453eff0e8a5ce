package sessions_test

import (
	"fmt"
	"strings"

	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/verify/sessions"
)

// A transaction reads what nobody wrote. The claim that this is ok is refused, the
// one that it is not is confirmed.
func Example() {
	h, err := history.Read(strings.NewReader(`
{"process":0,"type":"invoke","f":"txn","value":[["w","x",1]]}
{"process":0,"type":"ok","f":"txn","value":[["w","x",1]]}
{"process":1,"type":"invoke","f":"txn","value":[["r","x",null]]}
{"process":1,"type":"ok","f":"txn","value":[["r","x",2]]}
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, claim := range []string{
		`{"definition":"weak-isolation","parameters":{"level":"read-committed","workload":"rw-register"},"verdict":"ok","evidence":{"order":[0,2]}}`,
		`{"definition":"weak-isolation","parameters":{"level":"read-committed","workload":"rw-register"},"verdict":"invalid","evidence":{"anomaly":"ThinAirRead","txn":2,"step":0}}`,
	} {
		_, err := sessions.Definitions.Confirm(h, []byte(claim))
		fmt.Println(err)
	}
	// Output:
	// index 2, step 0: ThinAirRead
	// <nil>
}
