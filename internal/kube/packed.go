package kube

import (
	"bytes"
	"compress/flate"
	"encoding/json"
	"fmt"
	"io"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
)

// packed is a mapping as the watches hold it. Most of an ExternalSecret is the list of
// what it reads, which only a sync wants: that is kept as compressed JSON, a tenth of what
// it takes decoded. The rest, which the schedule looks at all the time, is kept as it is.
type packed struct {
	eso.ExternalSecret // without what is in wants
	// version is eso.SyncedResourceVersion, for which all annotations count.
	version string
	wants   []byte
}

// wants is what a sync alone looks at.
type wants struct {
	Data     []eso.Data     `json:"d,omitempty"`
	DataFrom []eso.DataFrom `json:"f,omitempty"`
	Template *eso.Template  `json:"t,omitempty"`
	// Applied is what kubectl apply and Argo CD note of the whole manifest.
	Applied string `json:"a,omitempty"`
}

// DeepCopyObject returns a packed mapping, not the outline in it.
func (p *packed) DeepCopyObject() runtime.Object {
	return &packed{*p.ExternalSecret.DeepCopy(), p.version, bytes.Clone(p.wants)}
}

// packing compresses and expands, one mapping after the other, with what that takes held
// once.
type packing struct {
	mu     sync.Mutex
	buffer bytes.Buffer
	small  *flate.Writer
	large  io.ReadCloser // a flate.Resetter
}

// pack takes what is packed out of the mapping.
func (p *packing) pack(es *eso.ExternalSecret) (*packed, error) {
	spec := &es.Spec
	version, applied := eso.SyncedResourceVersion(&es.ObjectMeta), es.Annotations[corev1.LastAppliedConfigAnnotation]
	raw, err := json.Marshal(wants{spec.Data, spec.DataFrom, spec.Target.Template, applied})
	if err != nil {
		return nil, fmt.Errorf("packing ExternalSecret %s/%s: %w", es.Namespace, es.Name, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.buffer.Reset()
	if p.small == nil {
		if p.small, err = flate.NewWriter(&p.buffer, flate.BestSpeed); err != nil {
			return nil, err
		}
	} else {
		p.small.Reset(&p.buffer)
	}
	if _, err := p.small.Write(raw); err != nil {
		return nil, err
	}
	if err := p.small.Close(); err != nil {
		return nil, err
	}
	spec.Data, spec.DataFrom, spec.Target.Template = nil, nil, nil
	if applied != "" {
		delete(es.Annotations, corev1.LastAppliedConfigAnnotation)
	}
	return &packed{*es, version, bytes.Clone(p.buffer.Bytes())}, nil
}

// unpack is the whole mapping. It fails on nothing that pack made.
func (p *packing) unpack(held *packed) (*eso.ExternalSecret, error) {
	var w wants
	if err := p.expand(held.wants, &w); err != nil {
		return nil, err
	}
	es := held.ExternalSecret
	es.Spec.Data, es.Spec.DataFrom, es.Spec.Target.Template = w.Data, w.DataFrom, w.Template
	if w.Applied != "" {
		es.Annotations = with(es.Annotations, corev1.LastAppliedConfigAnnotation, w.Applied)
	}
	return &es, nil
}

func (p *packing) expand(raw []byte, into *wants) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.large == nil {
		p.large = flate.NewReader(nil)
	}
	if err := p.large.(flate.Resetter).Reset(bytes.NewReader(raw), nil); err != nil {
		return err
	}
	p.buffer.Reset()
	if _, err := p.buffer.ReadFrom(p.large); err != nil {
		return err
	}
	return json.Unmarshal(p.buffer.Bytes(), into)
}
