package drawing

import "strconv"

// style gives the classes of a drawing their colours, which can be told apart
// by most people who do not see all of them.
const style = `
text { font: 12px system-ui, sans-serif; fill: #1b1f24; }
.paper { fill: #ffffff; }
.title { font-size: 18px; font-weight: 600; }
.small, .say { fill: #424a53; }
.lane { stroke: #d0d7de; stroke-width: 1; }
.op { stroke: #57606a; stroke-width: 1; rx: 3px; }
.op.ok { fill: #d7ebff; } .op.info { fill: #fff1cc; stroke-dasharray: 4 3; } .op.fail { fill: #f6d5d5; }
.box { fill: #f6f8fa; stroke: #57606a; rx: 4px; }
.step .shaft { fill: none; stroke-width: 1.6; stroke: #57606a; } .step .head { fill: #57606a; }
.ww .shaft { stroke: #0550ae; } .ww .head, .kind.ww { fill: #0550ae; }
.wr .shaft { stroke: #116329; } .wr .head, .kind.wr { fill: #116329; }
.rw .shaft { stroke: #a40e26; } .rw .head, .kind.rw { fill: #a40e26; }
.rt .shaft, .process .shaft { stroke-dasharray: 4 3; }
.kind { font-size: 11px; font-weight: 600; paint-order: stroke; stroke: #ffffff; stroke-width: 3px; }
`

// numbered writes an operation with the index of its invocation.
func numbered(index int, text string) string { return strconv.Itoa(index) + ": " + text }
