package adya_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/adya"
	"github.com/ordeal-dev/ordeal/harness/history"
)

const recorded = `{"index":0,"time":0,"process":0,"type":"invoke","f":"insert","key":5,"value":[1,null]}
{"index":1,"time":1000000,"process":1,"type":"invoke","f":"insert","key":5,"value":[null,2]}
{"index":2,"time":2000000,"process":0,"type":"ok","f":"insert","key":5,"value":[1,null]}
{"index":3,"time":3000000,"process":1,"type":"ok","f":"insert","key":5,"value":[null,2]}
`

func Example() {
	h, err := history.Read(strings.NewReader(recorded))
	if err != nil {
		panic(err)
	}
	result := checkers.Run(context.Background(), adya.New(adya.Options{}), h)
	fmt.Println(result.Verdict)
	for _, a := range result.Anomalies {
		fmt.Printf("%s %v: %s\n", a.Name, a.Ops, a.Explanation)
	}
	// Output:
	// invalid
	// G2 [0 1]: the insert of [1 nil] by process 0 at 0 ms found no other of key 5, and the insert of [nil 2] by process 1 at 1 ms found no other of key 5; both are there now, so each of them read what was so only before the other
}

func ExampleNewPredicate() {
	h, err := history.Read(strings.NewReader(`{"index":0,"time":0,"process":0,"type":"invoke","f":"txn","value":[["rp",true,null],["w","a",1]]}
{"index":1,"time":1000000,"process":1,"type":"invoke","f":"txn","value":[["rp",true,null],["w","b",2]]}
{"index":2,"time":2000000,"process":0,"type":"ok","f":"txn","value":[["rp",true,{}],["w","a",1]]}
{"index":3,"time":3000000,"process":1,"type":"ok","f":"txn","value":[["rp",true,{}],["w","b",2]]}
`))
	if err != nil {
		panic(err)
	}
	result := checkers.Run(context.Background(), adya.NewPredicate(), h)
	fmt.Println(result.Verdict, result.Anomalies[0].Name, result.Anomalies[0].Ops)
	// Output:
	// invalid G2-predicate [0 1]
}
