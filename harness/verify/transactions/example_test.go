package transactions_test

import (
	"fmt"
	"strings"

	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/verify/transactions"
)

// A transaction reads what another one wrote, and misses what the same one wrote
// elsewhere. The claim that this is ok is refused, the one that it is not is
// confirmed.
func Example() {
	h, err := history.Read(strings.NewReader(`
{"process":0,"type":"invoke","f":"txn","value":[["append","x",1],["append","y",1]]}
{"process":0,"type":"ok","f":"txn","value":[["append","x",1],["append","y",1]]}
{"process":1,"type":"invoke","f":"txn","value":[["r","x",null],["r","y",null]]}
{"process":1,"type":"ok","f":"txn","value":[["r","x",[1]],["r","y",[]]]}
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, claim := range []string{
		`{"definition":"transactions","parameters":{"workload":"list-append","consistency-models":"serializable"},"verdict":"ok","evidence":{"serial":[0,2]}}`,
		`{"definition":"transactions","parameters":{"workload":"list-append","consistency-models":"serializable"},"verdict":"invalid","evidence":{"anomaly":"G-single-item","cycle":[{"kind":"wr","from":0,"to":2,"steps":[0,0]},{"kind":"rw","from":2,"to":0,"steps":[1,1]}]}}`,
	} {
		_, err := transactions.Definitions.Confirm(h, []byte(claim))
		fmt.Println(err)
	}
	// Output:
	// index 2: it read [], which was not what was there
	// <nil>
}
