// Command cmd is Ordeal with one more target: controller and node agent in one.
package main

import (
	"github.com/ordeal-dev/ordeal"
	"github.com/ordeal-dev/ordeal/docs/mytarget"
	"github.com/ordeal-dev/ordeal/harness/registry"
)

func main() { ordeal.Main(registry.With(mytarget.New())) }
