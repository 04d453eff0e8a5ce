package zoo

import "github.com/ordeal-dev/ordeal/targets"

// ledger is the bugs of the ledger.
var ledger []targets.Bug
