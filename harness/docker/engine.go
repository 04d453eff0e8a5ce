package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/versions"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"
)

// minAPI is the version of engine 20.10.
const minAPI = "1.41"

// engine is the Docker engine as far as this package needs it. It is the only
// one to know the client library, which its owners call deprecated: a successor
// has to be put in here and nowhere else.
type engine struct {
	api     *client.Client
	version string // of the API, as agreed on
	server  string // version of the engine
}

// connect finds the engine and makes sure that it is one that will do.
func connect(ctx context.Context) (*engine, error) {
	if err := checkPlatform(); err != nil {
		return nil, err
	}
	api, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		return nil, environment("docker client: %w: look at DOCKER_HOST", err)
	}
	e := &engine{api: api}
	if err := e.check(ctx); err != nil {
		_ = api.Close()
		return nil, err
	}
	return e, nil
}

func (e *engine) check(ctx context.Context) error {
	host := e.api.DaemonHost()
	if !strings.HasPrefix(host, "unix://") {
		return environment("the Docker engine at %s is not on this host: nodes are reached over its bridge; "+
			"unset DOCKER_HOST to use the engine here, or use --world sim", host)
	}
	info, err := e.api.Info(ctx)
	if ctx.Err() != nil {
		return fmt.Errorf("ask the Docker engine: %w", context.Cause(ctx))
	}
	if err != nil {
		return environment("no Docker engine answers at %s: %w: start it (systemctl start docker), "+
			"see that you may use it (group docker), or use --world sim", host, err)
	}
	e.version, e.server = e.api.ClientVersion(), info.ServerVersion
	switch here, _ := os.ReadFile("/proc/sys/kernel/osrelease"); {
	case versions.LessThan(e.version, minAPI):
		return environment("Docker engine %s speaks API %s: version %s (engine 20.10) or later is needed", e.server, e.version, minAPI)
	case info.OSType != "linux":
		return environment("the Docker engine runs %s containers: switch it to Linux containers", info.OSType)
	case strings.TrimSpace(string(here)) != info.KernelVersion:
		return environment("the Docker engine runs on another kernel (%s) than this process: it is in a virtual machine, "+
			"whose network and clocks are not those of this host; run ordeal where the engine runs", info.KernelVersion)
	case rootless(info.SecurityOptions):
		return environment("the Docker engine is rootless: its network cannot be reached from this host; use one that runs as root")
	}
	return nil
}

func rootless(options []string) bool {
	for _, o := range options {
		if strings.Contains(o, "name=rootless") {
			return true
		}
	}
	return false
}

// Close ends the connection to the engine.
func (e *engine) Close() error { return e.api.Close() }

func labelled(label string) filters.Args { return filters.NewArgs(filters.Arg("label", label)) }

// hasImage reports whether there is an image of that name.
func (e *engine) hasImage(ctx context.Context, ref string) (bool, error) {
	_, err := e.api.ImageInspect(ctx, ref)
	if errdefs.IsNotFound(err) {
		return false, nil
	}
	return err == nil, err
}

// importImage makes an image out of a tar of its whole file system.
func (e *engine) importImage(ctx context.Context, ref string, tar io.Reader, labels map[string]string) error {
	var changes []string
	for _, k := range []string{Label, LabelBinary} {
		changes = append(changes, fmt.Sprintf("LABEL %s=%s", k, labels[k]))
	}
	source := image.ImportSource{Source: tar, SourceName: "-"}
	out, err := e.api.ImageImport(ctx, source, ref, image.ImportOptions{Changes: changes})
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, out) // it is done when the answer ends
	return errors.Join(err, out.Close())
}

// imageInfo is one of our images.
type imageInfo struct {
	id, binary string
	tags       []string
}

func (e *engine) images(ctx context.Context) ([]imageInfo, error) {
	list, err := e.api.ImageList(ctx, image.ListOptions{Filters: labelled(Label)})
	infos := make([]imageInfo, len(list))
	for i, im := range list {
		infos[i] = imageInfo{id: im.ID, binary: im.Labels[LabelBinary], tags: im.RepoTags}
	}
	return infos, err
}

// removeImage removes an image unless it is in use, and reports whether it did.
func (e *engine) removeImage(ctx context.Context, id string) (bool, error) {
	_, err := e.api.ImageRemove(ctx, id, image.RemoveOptions{})
	if errdefs.IsConflict(err) || errdefs.IsNotFound(err) || err != nil && strings.Contains(err.Error(), "unrecognized image ID") {
		return false, nil // in use, or somebody else is removing it
	}
	return err == nil, err
}

// createNetwork makes an internal bridge with the given subnet. It fails with
// errTaken if the engine uses some of these addresses already.
func (e *engine) createNetwork(ctx context.Context, name string, s subnet, labels map[string]string) (string, error) {
	created, err := e.api.NetworkCreate(ctx, name, network.CreateOptions{
		Driver:   "bridge",
		Internal: true,
		Labels:   labels,
		IPAM:     &network.IPAM{Config: []network.IPAMConfig{{Subnet: s.String(), Gateway: s.gateway().String()}}},
	})
	if err != nil && strings.Contains(err.Error(), "overlap") {
		return "", errTaken
	}
	return created.ID, err
}

var (
	errTaken   = errors.New("addresses in use")
	errNoImage = errors.New("image is gone")
)

// resource is a container, a network or a volume of ours.
type resource struct {
	id, name string
	run      string
	owner    string
	running  bool
	subnets  []string // of networks
}

func newResource(id, name string, labels map[string]string) resource {
	return resource{id: id, name: name, run: labels[LabelRun], owner: labels[LabelController]}
}

// networks lists all networks of the engine that have a label, or all for "".
func (e *engine) networks(ctx context.Context, label string) ([]resource, error) {
	var options network.ListOptions
	if label != "" {
		options.Filters = labelled(label)
	}
	list, err := e.api.NetworkList(ctx, options)
	found := make([]resource, len(list))
	for i, n := range list {
		found[i] = newResource(n.ID, n.Name, n.Labels)
		for _, c := range n.IPAM.Config {
			found[i].subnets = append(found[i].subnets, c.Subnet)
		}
	}
	return found, err
}

func (e *engine) containers(ctx context.Context, label string) ([]resource, error) {
	list, err := e.api.ContainerList(ctx, container.ListOptions{All: true, Filters: labelled(label)})
	found := make([]resource, len(list))
	for i, c := range list {
		found[i] = newResource(c.ID, strings.TrimPrefix(strings.Join(c.Names, ","), "/"), c.Labels)
		found[i].running = c.State == container.StateRunning
	}
	return found, err
}

func (e *engine) volumes(ctx context.Context, label string) ([]resource, error) {
	list, err := e.api.VolumeList(ctx, volume.ListOptions{Filters: labelled(label)})
	found := make([]resource, len(list.Volumes))
	for i, v := range list.Volumes {
		found[i] = newResource(v.Name, v.Name, v.Labels)
	}
	return found, err
}

func (e *engine) removeContainer(ctx context.Context, id string) error {
	return unlessGone(e.api.ContainerRemove(ctx, id, container.RemoveOptions{Force: true, RemoveVolumes: true}))
}

func (e *engine) removeNetwork(ctx context.Context, id string) error {
	return unlessGone(e.api.NetworkRemove(ctx, id))
}

func (e *engine) removeVolume(ctx context.Context, id string) error {
	return unlessGone(e.api.VolumeRemove(ctx, id, false))
}

// unlessGone forgives that something to be removed is not there, or that
// somebody else is removing it just now.
func unlessGone(err error) error {
	if errdefs.IsNotFound(err) || err != nil && strings.Contains(err.Error(), "already in progress") {
		return nil
	}
	return err
}

// containerSpec is a container to make.
type containerSpec struct {
	name, hostname, image, network string
	address                        string // in the network; none if empty

	command   []string
	dataDir   string // the only place to write to, a volume
	memory    int64
	processes int64
	labels    map[string]string
}

// createContainer makes a container that can do nothing but what our agent
// needs. It fails with errNoImage if there is no such image.
func (e *engine) createContainer(ctx context.Context, s containerSpec) (string, error) {
	config := &container.Config{
		Hostname:   s.hostname,
		Image:      s.image,
		Entrypoint: s.command,
		Labels:     s.labels,
	}
	host := &container.HostConfig{
		NetworkMode:    container.NetworkMode(s.network),
		CapDrop:        []string{"ALL"},
		CapAdd:         []string{"NET_ADMIN"},
		SecurityOpt:    []string{"no-new-privileges"},
		ReadonlyRootfs: true,
		RestartPolicy:  container.RestartPolicy{Name: container.RestartPolicyDisabled},
		LogConfig:      container.LogConfig{Type: "json-file", Config: map[string]string{"max-size": "16m"}},
		Mounts: []mount.Mount{{
			Type: mount.TypeVolume, Target: s.dataDir,
			VolumeOptions: &mount.VolumeOptions{Labels: s.labels, NoCopy: true},
		}},
		Resources: container.Resources{Memory: s.memory, PidsLimit: &s.processes},
	}
	nets := &network.NetworkingConfig{}
	if s.address != "" {
		nets.EndpointsConfig = map[string]*network.EndpointSettings{
			s.network: {IPAMConfig: &network.EndpointIPAMConfig{IPv4Address: s.address}},
		}
	}
	created, err := e.api.ContainerCreate(ctx, config, host, nets, nil, s.name)
	if errdefs.IsNotFound(err) && strings.Contains(err.Error(), "image") {
		return "", fmt.Errorf("%w: %w", errNoImage, err)
	}
	return created.ID, err
}

func (e *engine) startContainer(ctx context.Context, id string) error {
	return e.api.ContainerStart(ctx, id, container.StartOptions{})
}

// runContainer runs a container to its end and returns what it wrote.
func (e *engine) runContainer(ctx context.Context, id string) (string, error) {
	ended, failed := e.api.ContainerWait(ctx, id, container.WaitConditionNextExit)
	if err := e.startContainer(ctx, id); err != nil {
		return "", err
	}
	select {
	case <-ended:
		return e.output(ctx, id), nil
	case err := <-failed:
		return "", err
	}
}

// settle is how long the engine may take to notice that a container has ended.
const settle = 2 * time.Second

// ending says how a container ended, "" if it goes on to run.
func (e *engine) ending(ctx context.Context, id string) (string, error) {
	soon, cancel := context.WithTimeout(ctx, settle)
	defer cancel()
	ended, failed := e.api.ContainerWait(soon, id, container.WaitConditionNotRunning)
	select {
	case <-ended:
	case err := <-failed: // it runs, or is gone: a look will tell
		_ = err
	}
	c, err := e.api.ContainerInspect(ctx, id)
	switch {
	case errdefs.IsNotFound(err):
		return "removed", nil
	case err != nil:
		return "", err
	case c.State.Running:
		return "", nil
	case c.State.OOMKilled:
		return fmt.Sprintf("exit status %d, out of memory", c.State.ExitCode), nil
	default:
		return strings.TrimSuffix(fmt.Sprintf("exit status %d, %s", c.State.ExitCode, c.State.Error), ", "), nil
	}
}

// output returns the last lines that the first process of a container wrote.
func (e *engine) output(ctx context.Context, id string) string {
	out, err := e.api.ContainerLogs(ctx, id, container.LogsOptions{ShowStdout: true, ShowStderr: true, Tail: "20"})
	if err != nil {
		return err.Error()
	}
	defer out.Close()
	var text strings.Builder
	_, _ = demux(&text, &text, out)
	return strings.TrimSpace(text.String())
}

// exec starts a command in a container and returns its standard streams.
func (e *engine) exec(ctx context.Context, id string, command ...string) (types.HijackedResponse, error) {
	created, err := e.api.ContainerExecCreate(ctx, id, container.ExecOptions{
		AttachStdin: true, AttachStdout: true, AttachStderr: true, Cmd: command,
	})
	if err != nil {
		return types.HijackedResponse{}, err
	}
	return e.api.ContainerExecAttach(ctx, created.ID, container.ExecAttachOptions{})
}

// file returns a file of a container, which need not be running.
func (e *engine) file(ctx context.Context, id, path string) (io.ReadCloser, error) {
	archive, _, err := e.api.CopyFromContainer(ctx, id, path)
	return archive, err
}
