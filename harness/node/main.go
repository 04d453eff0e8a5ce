package node

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/harness/choice"
)

// Command is the name of the hidden command that runs a node: whoever builds a
// binary for a real world mounts [Main] under it.
const Command = "node"

// Options are the arguments of the hidden command.
type Options struct {
	Self       actor.NodeID
	Peers      []string        // addresses for nodes, one for each, in the order of their ids
	ClientAddr string          // the address for clients
	DataDir    string          // where the node keeps its files
	Seed       uint64          // of the run
	Config     json.RawMessage // what the target needs to find its Boot, see world.Spec
}

// Args returns the command line that [Main] reads, the name of the command first.
func (o Options) Args() []string {
	config := string(o.Config)
	if config == "" {
		config = "null"
	}
	return []string{
		Command,
		"-self", strconv.Itoa(int(o.Self)),
		"-peers", strings.Join(o.Peers, ","),
		"-clients", o.ClientAddr,
		"-data", o.DataDir,
		"-seed", strconv.FormatUint(o.Seed, 10),
		"-config", config,
	}
}

func parseOptions(args []string) (Options, error) {
	var o Options
	f := flag.NewFlagSet(Command, flag.ContinueOnError)
	f.SetOutput(io.Discard)
	self := f.Int("self", -1, "number of this node, from 0")
	peers := f.String("peers", "", "addresses of all nodes for each other, separated by commas")
	f.StringVar(&o.ClientAddr, "clients", "", "address to listen on for clients")
	f.StringVar(&o.DataDir, "data", "", "directory for the node's files")
	f.Uint64Var(&o.Seed, "seed", 0, "seed of the run")
	config := f.String("config", "null", "configuration of the target, JSON")
	if err := f.Parse(args); err != nil {
		return o, fmt.Errorf("%s: %w", Command, err)
	}
	o.Self = actor.NodeID(*self)
	if *peers != "" {
		o.Peers = strings.Split(*peers, ",")
	}
	o.Config = json.RawMessage(*config)
	if !json.Valid(o.Config) {
		return o, errors.New("node: -config is not JSON")
	}
	return o, nil
}

// Main is the hidden command. Args are those after its name, see
// [Options.Args]; boot turns the target's configuration into an actor. It logs
// to standard error and returns when the process is asked to terminate, or with
// an error that ought to become a non-zero exit status: the panic of an actor
// has been written to standard error by then.
func Main(args []string, boot func(config json.RawMessage) (actor.Boot, error)) error {
	o, err := parseOptions(args)
	if err != nil {
		return err
	}
	start, err := boot(o.Config)
	if err != nil {
		return fmt.Errorf("node: %w", err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	return Run(ctx, Config{
		Self:       o.Self,
		Peers:      o.Peers,
		ClientAddr: o.ClientAddr,
		DataDir:    o.DataDir,
		Seed:       choice.New(o.Seed),
		Boot:       start,
		Log:        os.Stderr,
	})
}
