package docker

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/ordeal-dev/ordeal/nemesis/agent"
)

// AgentCommand is the name of the hidden command that is the node agent:
// whoever builds a binary for this world mounts [AgentMain] under it.
const AgentCommand = "agent"

// Where things lie in a container. There is one volume, and nothing else can be
// written to.
const (
	volumeDir = "/var/lib/ordeal"
	dataDir   = volumeDir + "/data" // of the server
	logFile   = volumeDir + "/server.log"
)

// AgentMain is the hidden command. Args are those after its name:
//
//	agent -name n1 -log FILE       be the agent, until its controller is gone
//	agent attach                   join its socket to the standard streams
//	agent logs -log FILE -from N   print the server's log from byte N on
//	agent doctor                   try what the faults need, print what works
func AgentMain(args []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	what := ""
	if len(args) > 0 && args[0] != "" && args[0][0] != '-' {
		what, args = args[0], args[1:]
	}
	f := flag.NewFlagSet(AgentCommand, flag.ContinueOnError)
	f.SetOutput(io.Discard)
	name := f.String("name", "", "name of the node")
	file := f.String("log", logFile, "log of the server")
	from := f.Int64("from", 0, "first byte of the log to print")
	if err := f.Parse(args); err != nil {
		return fmt.Errorf("%s: %w", AgentCommand, err)
	}
	switch what {
	case "":
		log := slog.New(slog.NewTextHandler(os.Stderr, nil))
		return agent.Serve(ctx, agent.Config{Name: *name, LogFile: *file, Log: log})
	case "attach":
		return agent.Bridge(ctx, "", os.Stdin, os.Stdout)
	case "logs":
		return agent.CopyLog(ctx, *file, *from, false, os.Stdout)
	case "doctor":
		return runSelfTest(os.Stdout)
	default:
		return errors.New("agent: want nothing, attach, logs or doctor")
	}
}
