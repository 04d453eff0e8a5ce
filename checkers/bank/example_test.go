package bank_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/bank"
	"github.com/ordeal-dev/ordeal/harness/history"
)

const recorded = `{"index":0,"time":0,"process":0,"type":"invoke","f":"transfer","value":{"from":"a","to":"b","amount":3}}
{"index":1,"time":1000000,"process":1,"type":"invoke","f":"read","value":null}
{"index":2,"time":2000000,"process":1,"type":"ok","f":"read","value":{"a":7,"b":10}}
{"index":3,"time":3000000,"process":0,"type":"ok","f":"transfer","value":{"from":"a","to":"b","amount":3}}
`

func Example() {
	h, err := history.Read(strings.NewReader(recorded))
	if err != nil {
		panic(err)
	}
	total := int64(20)
	checker := bank.New(bank.Options{TotalAmount: &total})
	result := checkers.Run(context.Background(), checker, h)
	fmt.Println(result.Verdict)
	for _, a := range result.Anomalies {
		fmt.Printf("%s %v: %s\n", a.Name, a.Ops, a.Explanation)
	}
	// Output:
	// invalid
	// wrong-total [1]: process 1 read at 1 ms and got balances that add up to 17, not 20; transfers do not change the sum, so it saw part of one
}
