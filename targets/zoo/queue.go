package zoo

import "github.com/ordeal-dev/ordeal/targets"

// queue is the bugs of the queue: those of the partitioned log, and, as W1 and what follows it, those of the work queue.
var queue []targets.Bug
