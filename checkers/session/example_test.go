package session_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/session"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// A question and its answer: whoever reads the answer has to find the question.
const recorded = `{"index":0,"time":0,"process":0,"type":"invoke","f":"write","key":"question","value":"lunch?"}
{"index":1,"time":1000000,"process":0,"type":"ok","f":"write","key":"question","value":"lunch?"}
{"index":2,"time":2000000,"process":1,"type":"invoke","f":"read","key":"question","value":null}
{"index":3,"time":3000000,"process":1,"type":"ok","f":"read","key":"question","value":"lunch?"}
{"index":4,"time":4000000,"process":1,"type":"invoke","f":"write","key":"answer","value":"yes"}
{"index":5,"time":5000000,"process":1,"type":"ok","f":"write","key":"answer","value":"yes"}
{"index":6,"time":6000000,"process":2,"type":"invoke","f":"read","key":"answer","value":null}
{"index":7,"time":7000000,"process":2,"type":"ok","f":"read","key":"answer","value":"yes"}
{"index":8,"time":8000000,"process":2,"type":"invoke","f":"read","key":"question","value":null}
{"index":9,"time":9000000,"process":2,"type":"ok","f":"read","key":"question","value":null}
`

func Example() {
	h, err := history.Read(strings.NewReader(recorded))
	if err != nil {
		panic(err)
	}
	for _, g := range []session.Guarantee{session.MonotonicReads, session.PRAM, session.WritesFollowReads, session.Causal} {
		result := checkers.Run(context.Background(), session.New(session.Options{Guarantee: g}), h)
		fmt.Println(g, result.Verdict)
		for _, a := range result.Anomalies {
			fmt.Println(a.Name, a.Ops)
			for _, e := range a.Edges {
				fmt.Println("-", e.Why)
			}
		}
	}
	// Output:
	// monotonic-reads ok
	// pram ok
	// writes-follow-reads invalid
	// writes-follow-reads [0 2 4 6 8]
	// - read 2 found what write 0 wrote
	// - read 2 came before write 4 in the session of process 1
	// - read 6 found what write 4 wrote
	// - read 6 came before read 8 in the session of process 2
	// - read 8 found the initial state, as it was before write 0
	// causal invalid
	// WriteCOInitRead [0 2 4 6 8]
	// - read 2 found what write 0 wrote
	// - read 2 came before write 4 in the session of process 1
	// - read 6 found what write 4 wrote
	// - read 6 came before read 8 in the session of process 2
	// - read 8 found the initial state, as it was before write 0
}
