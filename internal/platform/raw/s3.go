package raw

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/fault"
)

// bucket is the Store in S3-compatible storage. A content is the object
// PREFIX/2026-11/HASH.zst.
//
// S3 cannot delete "unless written meanwhile". So DeleteIdle moves an object
// to PREFIX/trash/2026-11/HASH.zst/TIME, where Get still finds it, and takes
// it from there once it has lain as long as the caller's before says. Bytes
// that came in again between the look and the move are then named by a row,
// and whoever sweeps leaves them.
type bucket struct {
	*codec
	o      Options
	api    *minio.Client
	name   string
	prefix string // "" or ends in a slash
}

var _ Store = (*bucket)(nil)

func openS3(ctx context.Context, o Options, c *codec) (*bucket, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Scheme != "s3" || u.Host == "" {
		// The URL may hold a key, and so may the parser's error.
		return nil, errors.New("raw: the URL is not like s3://host/bucket/prefix")
	}
	b := &bucket{codec: c, o: o}
	b.name, b.prefix, _ = strings.Cut(strings.Trim(u.Path, "/"), "/")
	if b.name == "" {
		return nil, errors.New("raw: the URL names no bucket")
	}
	if b.prefix != "" {
		b.prefix += "/"
	}
	secret, _ := u.User.Password()
	keys := credentials.NewStaticV4(u.User.Username(), secret, "")
	if u.User == nil {
		keys = credentials.NewChainCredentials([]credentials.Provider{
			&credentials.EnvAWS{}, &credentials.EnvMinio{}, &credentials.FileAWSCredentials{}, &credentials.IAM{},
		})
	}
	b.api, err = minio.New(u.Host, &minio.Options{
		Creds:      keys,
		Secure:     u.Query().Get("insecure") != "1",
		Region:     u.Query().Get("region"),
		MaxRetries: 3,
	})
	if err != nil {
		return nil, fmt.Errorf("raw: %w", err)
	}
	switch there, err := b.api.BucketExists(ctx, b.name); {
	case err != nil:
		return nil, fmt.Errorf("raw: asking for the bucket %q: %w", b.name, err)
	case !there:
		return nil, fmt.Errorf("raw: there is no bucket %q", b.name)
	}
	return b, nil
}

func (b *bucket) key(r Ref) string { return b.monthPrefix(r.Month) + r.hex() + largeSuffix }

func (b *bucket) monthPrefix(month string) string { return b.prefix + month + "/" }

func (b *bucket) trashPrefix(month string) string { return b.prefix + "trash/" + month + "/" }

func (b *bucket) trashOf(r Ref) string { return b.trashPrefix(r.Month) + r.hex() + largeSuffix + "/" }

// Put implements Store. It writes even what is there already: so the object's
// age is that of the last Put.
func (b *bucket) Put(ctx context.Context, at time.Time, content []byte) (Ref, error) {
	if err := b.check(content); err != nil {
		return Ref{}, err
	}
	ref := RefOf(at, content)
	if !validMonth(ref.Month) {
		return Ref{}, fault.New(fault.Invalid, "That month cannot be kept.")
	}
	packed := b.pack(content)
	_, err := b.api.PutObject(ctx, b.name, b.key(ref), bytes.NewReader(packed), int64(len(packed)),
		minio.PutObjectOptions{ContentType: "application/zstd", DisableMultipart: true})
	if err != nil {
		return Ref{}, storeError(err)
	}
	return ref, nil
}

// Get implements Store.
func (b *bucket) Get(ctx context.Context, ref Ref) ([]byte, error) {
	if !validMonth(ref.Month) {
		return nil, missing(ref)
	}
	packed, err := b.read(ctx, b.key(ref))
	if isNoKey(err) {
		err = b.inTrash(ctx, ref, func(o minio.ObjectInfo) error {
			packed, err = b.read(ctx, o.Key)
			return err
		})
		if err == nil && packed == nil {
			return nil, missing(ref)
		}
	}
	switch {
	case isNoKey(err):
		return nil, missing(ref)
	case errors.Is(err, errTooLong):
		return nil, damaged(ref, err)
	case err != nil:
		return nil, storeError(err)
	}
	return b.unpack(ref, -1, packed)
}

var errTooLong = errors.New("the object is larger than any that was put")

func (b *bucket) read(ctx context.Context, key string) ([]byte, error) {
	o, err := b.api.GetObject(ctx, b.name, key, minio.GetObjectOptions{})
	if err != nil {
		return nil, err
	}
	packed, err := io.ReadAll(io.LimitReader(o, b.packedMax()+1))
	if err = errors.Join(err, o.Close()); err != nil {
		return nil, err
	}
	if int64(len(packed)) > b.packedMax() {
		return nil, errTooLong
	}
	return packed, nil
}

// Delete implements Store.
func (b *bucket) Delete(ctx context.Context, ref Ref) error {
	if !validMonth(ref.Month) {
		return nil
	}
	if err := b.remove(ctx, b.key(ref)); err != nil {
		return err
	}
	return b.inTrash(ctx, ref, func(o minio.ObjectInfo) error { return b.remove(ctx, o.Key) })
}

// DeleteIdle implements Store. Bytes on their way out are in the trash until a
// later call; they count as gone.
func (b *bucket) DeleteIdle(ctx context.Context, ref Ref, before time.Time) (bool, error) {
	if !validMonth(ref.Month) {
		return true, nil
	}
	info, err := b.api.StatObject(ctx, b.name, b.key(ref), minio.StatObjectOptions{})
	switch {
	case isNoKey(err):
		err := b.inTrash(ctx, ref, func(o minio.ObjectInfo) error {
			if !o.LastModified.Before(before) {
				return nil
			}
			return b.remove(ctx, o.Key)
		})
		return err == nil, err
	case err != nil:
		return false, storeError(err)
	case !info.LastModified.Before(before):
		return false, nil
	}
	_, err = b.api.CopyObject(ctx,
		minio.CopyDestOptions{Bucket: b.name, Object: fmt.Sprintf("%s%d", b.trashOf(ref), database.NewID(b.o.Clock()))},
		minio.CopySrcOptions{Bucket: b.name, Object: b.key(ref)})
	if err != nil {
		return false, storeError(err)
	}
	err = b.remove(ctx, b.key(ref))
	return err == nil, err
}

func (b *bucket) remove(ctx context.Context, key string) error {
	err := b.api.RemoveObject(ctx, b.name, key, minio.RemoveObjectOptions{})
	if isNoKey(err) {
		return nil
	}
	return storeError(err)
}

// Months implements Store.
func (b *bucket) Months(ctx context.Context) ([]string, error) {
	var months []string
	err := b.list(ctx, b.prefix, false, func(o minio.ObjectInfo) error {
		if month := strings.TrimSuffix(strings.TrimPrefix(o.Key, b.prefix), "/"); validMonth(month) {
			months = append(months, month)
		}
		return nil
	})
	return months, err
}

// DropMonth implements Store.
func (b *bucket) DropMonth(ctx context.Context, month string) error {
	if err := mayDrop(month, b.o.Clock()); err != nil {
		return err
	}
	for _, prefix := range []string{b.monthPrefix(month), b.trashPrefix(month)} {
		if err := b.dropPrefix(ctx, prefix); err != nil {
			return err
		}
	}
	return nil
}

func (b *bucket) dropPrefix(ctx context.Context, prefix string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	objects := make(chan minio.ObjectInfo)
	listed := make(chan error, 1)
	go func() {
		defer close(objects)
		listed <- b.list(ctx, prefix, true, func(o minio.ObjectInfo) error {
			select {
			case objects <- o:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	var failed error
	for r := range b.api.RemoveObjects(ctx, b.name, objects, minio.RemoveObjectsOptions{}) {
		failed = r.Err
	}
	cancel()
	err := <-listed
	if failed != nil {
		return storeError(failed)
	}
	return err
}

// Each implements Store. The sizes are not known.
func (b *bucket) Each(ctx context.Context, month string, fn func(Ref) error) error {
	return b.EachIdle(ctx, month, farFuture, fn)
}

// EachIdle implements Store. Among them is what lies in the trash and nowhere
// else.
func (b *bucket) EachIdle(ctx context.Context, month string, before time.Time, fn func(Ref) error) error {
	if !validMonth(month) {
		return nil
	}
	err := b.list(ctx, b.monthPrefix(month), true, func(o minio.ObjectInfo) error {
		ref, ok := refOfKey(month, strings.TrimPrefix(o.Key, b.monthPrefix(month)))
		if !ok || !o.LastModified.Before(before) {
			return nil
		}
		return fn(ref)
	})
	if err != nil {
		return err
	}
	return b.list(ctx, b.trashPrefix(month), true, func(o minio.ObjectInfo) error {
		name, _, _ := strings.Cut(strings.TrimPrefix(o.Key, b.trashPrefix(month)), "/")
		ref, ok := refOfKey(month, name)
		if !ok || !o.LastModified.Before(before) {
			return nil
		}
		_, err := b.api.StatObject(ctx, b.name, b.key(ref), minio.StatObjectOptions{})
		switch {
		case isNoKey(err):
			return fn(ref)
		case err != nil:
			return storeError(err)
		case before.Equal(farFuture):
			return nil
		}
		return b.remove(ctx, o.Key) // it came in again long ago
	})
}

func refOfKey(month, name string) (Ref, bool) {
	ref := Ref{Month: month}
	sum, err := hex.DecodeString(strings.TrimSuffix(name, largeSuffix))
	if err != nil || len(sum) != len(ref.SHA256) {
		return Ref{}, false
	}
	copy(ref.SHA256[:], sum)
	return ref, true
}

func (b *bucket) inTrash(ctx context.Context, ref Ref, fn func(minio.ObjectInfo) error) error {
	return b.list(ctx, b.trashOf(ref), true, fn)
}

// list calls fn for what begins with prefix; not recursive, folders count as
// one.
func (b *bucket) list(ctx context.Context, prefix string, recursive bool, fn func(minio.ObjectInfo) error) error {
	ctx, cancel := context.WithCancel(ctx) // ends the listing when fn fails
	defer cancel()
	for o := range b.api.ListObjects(ctx, b.name, minio.ListObjectsOptions{Prefix: prefix, Recursive: recursive}) {
		if o.Err != nil {
			return storeError(o.Err)
		}
		if err := fn(o); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// Close implements Store.
func (b *bucket) Close() error { return nil }

func isNoKey(err error) bool {
	e, ok := errors.AsType[minio.ErrorResponse](err)
	return ok && e.Code == minio.NoSuchKey
}
