package linear_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/linear"
	"github.com/ordeal-dev/ordeal/harness/history"
)

const recorded = `{"index":0,"time":0,"process":0,"type":"invoke","f":"write","value":7}
{"index":1,"time":1000000,"process":0,"type":"ok","f":"write","value":7}
{"index":2,"time":2000000,"process":1,"type":"invoke","f":"read","value":null}
{"index":3,"time":3000000,"process":1,"type":"ok","f":"read","value":null}
`

func Example() {
	h, err := history.Read(strings.NewReader(recorded))
	if err != nil {
		panic(err)
	}
	checker := linear.New(linear.Options{})
	result := checkers.Run(context.Background(), checker, h)
	fmt.Println(result.Verdict)
	for _, a := range result.Anomalies {
		fmt.Printf("%s %v: %s\n", a.Name, a.Ops, a.Explanation)
	}
	// Output:
	// invalid
	// lost-write [0 2]: process 1 read nil at 2 ms; nil was overwritten with 7 by process 0, which finished at 1 ms, before that read began; nil was there before anything was written; 7 was never seen
}

// Two clients hold a lock at the same time.
func ExampleModel() {
	h, err := history.Read(strings.NewReader(`
{:process 0, :type :invoke, :f :acquire, :time 0}
{:process 0, :type :ok, :f :acquire, :time 1000000}
{:process 1, :type :invoke, :f :acquire, :time 2000000}
{:process 1, :type :ok, :f :acquire, :time 3000000}
`))
	if err != nil {
		panic(err)
	}
	model, err := linear.Mutex().With(map[string]string{"owner": "process"})
	if err != nil {
		panic(err)
	}
	result := linear.New(linear.Options{Model: model}).Check(context.Background(), h)
	for _, a := range result.Anomalies {
		fmt.Printf("%s %v: %s\n", a.Name, a.Ops, a.Explanation)
	}
	// Output:
	// double-grant [0 2]: these can be ordered thus: the acquire by process 0; after that process 0 held it, and none of the others can be next: the acquire by process 1 (2 ms to 3 ms) cannot, for process 0 held it
}
