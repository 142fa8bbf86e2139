package raw

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"runtime"

	"github.com/klauspost/compress/zstd"

	"github.com/belfry-centre/belfry/internal/platform/fault"
)

// codec compresses and, within bounds, expands. Its coders are pools: each
// call takes a free one.
type codec struct {
	enc *zstd.Encoder
	dec *zstd.Decoder
	max int64
}

// The window bounds what a decoder needs in memory; a mail gains nothing from
// a larger one.
const window = 1 << 20

func newCodec(maxSize int64) (*codec, error) {
	n := runtime.GOMAXPROCS(0)
	enc, err := zstd.NewWriter(nil,
		zstd.WithEncoderLevel(zstd.SpeedFastest), // see docs/decisions/0002-raw-store.md
		zstd.WithWindowSize(window),
		zstd.WithEncoderCRC(false), // the SHA-256 says more
		zstd.WithZeroFrames(true),
		zstd.WithEncoderConcurrency(n))
	if err != nil {
		return nil, err
	}
	dec, err := zstd.NewReader(nil,
		zstd.WithDecoderConcurrency(n),
		zstd.WithDecoderMaxWindow(8<<20),
		zstd.WithDecodeAllCapLimit(true),
		zstd.IgnoreChecksum(true))
	if err != nil {
		return nil, err
	}
	return &codec{enc: enc, dec: dec, max: maxSize}, nil
}

// check refuses what is over the store's limit.
func (c *codec) check(content []byte) error {
	if int64(len(content)) > c.max {
		return fault.Errorf(fault.TooLarge, "A message of more than %d MiB is not kept.", c.max>>20)
	}
	return nil
}

func (c *codec) pack(content []byte) []byte {
	return c.enc.EncodeAll(content, make([]byte, 0, len(content)/2+64))
}

// packedMax is the most that a content of the limit's size can take.
func (c *codec) packedMax() int64 { return c.max + c.max>>7 + 1024 }

// unpack expands packed, never over the size that was recorded with it, and
// verifies the hash. A negative size is one that the store does not record;
// then the frame's own word bounds it.
func (c *codec) unpack(ref Ref, size int64, packed []byte) ([]byte, error) {
	exact := size >= 0
	if !exact {
		var err error
		if size, err = frameBound(packed); err != nil {
			return nil, damaged(ref, err)
		}
	}
	if size > c.max || ref.Size > 0 && (exact && size != ref.Size || size < ref.Size) {
		return nil, damaged(ref, fmt.Sprintf("%d bytes are recorded", size))
	}
	if ref.Size > 0 {
		size, exact = ref.Size, true
	}
	content, err := c.dec.DecodeAll(packed, make([]byte, 0, size)) // its capacity is the limit
	switch {
	case err != nil:
		return nil, damaged(ref, err)
	case exact && int64(len(content)) != size:
		return nil, damaged(ref, fmt.Sprintf("%d bytes", len(content)))
	case sha256.Sum256(content) != ref.SHA256:
		return nil, damaged(ref, "the SHA-256 differs")
	}
	return content, nil
}

// frameBound returns the most bytes that a frame says it expands to. The
// encoder leaves the size out below 256.
func frameBound(packed []byte) (int64, error) {
	var h zstd.Header
	switch err := h.Decode(packed); {
	case err != nil:
		return 0, err
	case !h.HasFCS:
		return 256, nil
	case h.FrameContentSize > 1<<62:
		return 0, errors.New("the frame claims an impossible size")
	}
	return int64(h.FrameContentSize), nil
}
