package docker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

// CleanOptions says what [Clean] is to remove.
type CleanOptions struct {
	Run string // only what belongs to this run; everything of ours if empty
	All bool   // also what belongs to runs whose controller is still at work, and the current image
}

// Report says what [Clean] did.
type Report struct {
	Containers []string `json:"containers"`
	Networks   []string `json:"networks"`
	Volumes    []string `json:"volumes"`
	Images     []string `json:"images"`
	Live       []string `json:"live"` // runs that were left alone because they are at work
}

// Clean removes what runs left behind that could not take themselves down:
// containers, networks and volumes that carry our label, and images that
// nobody uses. Runs whose controller still lives are left alone.
func Clean(ctx context.Context, o CleanOptions) (Report, error) {
	e, err := connect(ctx)
	if err != nil {
		return Report{}, err
	}
	defer e.Close()
	report, err := removeWhere(ctx, e, Label, func(r resource, all found) bool {
		return (o.Run == "" || r.run == o.Run) && (o.All || !isLive(r, all.containers))
	})
	if err == nil && !o.All {
		report.Live, err = liveRuns(ctx, e)
	}
	if o.Run != "" {
		return report, err
	}
	keep := ""
	if b, err := findBinary(""); err == nil && !o.All {
		keep = b.hash
	}
	images, errImages := removeImages(ctx, e, func(im imageInfo) bool { return im.binary != keep })
	report.Images = images
	return report, errors.Join(err, errImages)
}

// liveRuns returns the runs whose controller is at work, sorted.
func liveRuns(ctx context.Context, e *engine) ([]string, error) {
	found, err := inventory(ctx, e, Label)
	if err != nil {
		return nil, err
	}
	var live []string
	for _, r := range slices.Concat(found.containers, found.networks, found.volumes) {
		if isLive(r, found.containers) {
			live = append(live, r.run)
		}
	}
	slices.Sort(live)
	return slices.Compact(live), nil
}

// isLive judges a run by its controller. One that cannot be seen from here
// holds the lease of its agents, if they run: without it they would have ended.
func isLive(r resource, containers []resource) bool {
	c, ok := parseController(r.owner)
	if !ok {
		return false
	}
	switch c.look() {
	case alive:
		return true
	case unknown:
		return slices.ContainsFunc(containers, func(other resource) bool { return other.run == r.run && other.running })
	default:
		return false
	}
}

// found is what there is of ours on this host.
type found struct{ containers, networks, volumes []resource }

func inventory(ctx context.Context, e *engine, label string) (found, error) {
	var f found
	var errs [3]error
	f.containers, errs[0] = e.containers(ctx, label)
	f.networks, errs[1] = e.networks(ctx, label)
	f.volumes, errs[2] = e.volumes(ctx, label)
	return f, errors.Join(errs[:]...)
}

// removeRun removes everything that belongs to one run.
func removeRun(ctx context.Context, e *engine, run string) (Report, error) {
	return removeWhere(ctx, e, LabelRun+"="+run, func(resource, found) bool { return true })
}

// removeWhere removes what is chosen, out of all that there is, until there is
// none left. An engine that was told to make something goes on to do so after
// the controller was killed, so one look is not enough. Each look chooses anew:
// a run that has begun since the last one is nothing that an earlier choice knew.
func removeWhere(ctx context.Context, e *engine, label string, chosen func(r resource, all found) bool) (Report, error) {
	var report Report
	var err error
	for pass := range maxPasses {
		if pass > 0 {
			sleep(ctx, time.Duration(pass)*100*time.Millisecond)
		}
		var left found
		if left, err = inventory(ctx, e, label); err != nil {
			return report, fmt.Errorf("look for what there is to remove: %w", err)
		}
		if left = left.only(chosen); left.none() {
			break
		}
		if err = report.remove(ctx, e, left); ctx.Err() != nil {
			break
		}
	}
	return report, err
}

const maxPasses = 8

// only returns what is chosen.
func (f found) only(chosen func(r resource, all found) bool) found {
	pick := func(list []resource) (picked []resource) {
		for _, r := range list {
			if chosen(r, f) {
				picked = append(picked, r)
			}
		}
		return picked
	}
	return found{pick(f.containers), pick(f.networks), pick(f.volumes)}
}

func (f found) none() bool { return len(f.containers)+len(f.networks)+len(f.volumes) == 0 }

// remove removes containers first, because they hold on to the rest.
func (r *Report) remove(ctx context.Context, e *engine, f found) error {
	return errors.Join(
		removeEach(ctx, f.containers, &r.Containers, e.removeContainer),
		removeEach(ctx, f.networks, &r.Networks, e.removeNetwork),
		removeEach(ctx, f.volumes, &r.Volumes, e.removeVolume),
	)
}

// removeEach removes things, all at once, and adds the names of those that are gone.
func removeEach(ctx context.Context, list []resource, gone *[]string, remove func(context.Context, string) error) error {
	errs := make([]error, len(list))
	var g errgroup.Group
	g.SetLimit(8)
	for i, r := range list {
		g.Go(func() error {
			if err := remove(ctx, r.id); err != nil {
				errs[i] = fmt.Errorf("remove %s: %w", r.name, err)
			}
			return nil
		})
	}
	_ = g.Wait()
	for i, r := range list {
		if errs[i] == nil && !slices.Contains(*gone, r.name) {
			*gone = append(*gone, r.name)
		}
	}
	return errors.Join(errs...)
}
