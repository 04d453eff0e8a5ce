package zoo

import "github.com/ordeal-dev/ordeal/targets"

// files is the bugs of the filesystem.
var files []targets.Bug
