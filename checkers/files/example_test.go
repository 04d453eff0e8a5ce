package files_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/files"
	"github.com/ordeal-dev/ordeal/harness/history"
)

const renamed = `{"index":0,"time":0,"process":0,"type":"invoke","f":"create","value":"a"}
{"index":1,"time":1000000,"process":0,"type":"ok","f":"create","value":"a"}
{"index":2,"time":2000000,"process":0,"type":"invoke","f":"rename","value":["a","b"]}
{"index":3,"time":3000000,"process":1,"type":"invoke","f":"list","value":null}
{"index":4,"time":4000000,"process":1,"type":"ok","f":"list","value":{}}
`

func Example() {
	h, err := history.Read(strings.NewReader(renamed))
	if err != nil {
		panic(err)
	}
	result := checkers.Run(context.Background(), files.New(files.Options{}), h)
	fmt.Println(result.Verdict)
	for _, a := range result.Anomalies {
		fmt.Printf("%s %v: %s\n", a.Name, a.Ops, a.Explanation)
	}
	// Output:
	// invalid
	// rename-neither [0 3]: process 1 at 3 ms listed all names, and not one of the file: the create of process 0 at 0 ms had shown it by 1 ms; the file was there under one name or another, and nobody had begun to delete it: a, renamed a to b
}

const grown = `{"index":0,"time":0,"process":0,"type":"invoke","f":"append","key":"log","value":7}
{"index":1,"time":1000000,"process":0,"type":"ok","f":"append","key":"log","value":7}
{"index":2,"time":2000000,"process":0,"type":"invoke","f":"sync","key":"log","value":null}
{"index":3,"time":3000000,"process":0,"type":"ok","f":"sync","key":"log","value":1}
{"index":4,"time":4000000,"process":1,"type":"invoke","f":"read","key":"log","value":null}
{"index":5,"time":5000000,"process":1,"type":"ok","f":"read","key":"log","value":[]}
`

func ExampleNewAppend() {
	h, err := history.Read(strings.NewReader(grown))
	if err != nil {
		panic(err)
	}
	result := checkers.Run(context.Background(), files.NewAppend(files.AppendOptions{}), h)
	fmt.Println(result.Verdict)
	for _, a := range result.Anomalies {
		fmt.Printf("%s %v: %s\n", a.Name, a.Ops, a.Explanation)
	}
	// Output:
	// invalid
	// lost-record [0 2 4]: process 0 at 0 ms appended 7, which was ok by 1 ms; process 0 at 2 ms began a sync after that, which was ok by 3 ms; after that, process 1 at 4 ms read the file and got 0 records, without that one
	// lost-length [2 4]: process 0 at 2 ms synced the file and was told by 3 ms that 1 records are durable; after that, process 1 at 4 ms read the file and got 0 records
}
