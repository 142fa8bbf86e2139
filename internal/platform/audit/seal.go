package audit

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/belfry-centre/belfry/internal/platform/database"
)

// Names of the files in the data directory. Who copies it copies both.
const (
	KeyFile  = "audit.key"  // the seed of the signing key, in base64
	SealFile = "audit.seal" // the last seal, in JSON
)

// Seal is a signed head.
type Seal struct {
	Seq       int64     `json:"seq"`
	At        time.Time `json:"at"`
	Hash      []byte    `json:"hash"`
	PublicKey []byte    `json:"public_key"`
	Signature []byte    `json:"signature"`
}

func (s Seal) signed() []byte {
	b := []byte("belfry-audit-seal-1\n")
	b = binary.BigEndian.AppendUint64(b, uint64(s.Seq))
	b = binary.BigEndian.AppendUint64(b, uint64(s.At.UnixMicro()))
	return append(b, s.Hash...)
}

// Valid reports whether the seal's own signature fits.
func (s Seal) Valid() bool {
	return len(s.PublicKey) == ed25519.PublicKeySize && len(s.Hash) == 32 &&
		ed25519.Verify(s.PublicKey, s.signed(), s.Signature)
}

func (s Seal) check(r Record) error {
	switch {
	case !s.Valid():
		return &BrokenError{r.Seq, "a seal of it has a wrong signature"}
	case [32]byte(s.Hash) != r.Hash:
		return &BrokenError{r.Seq, "it, or an entry before it, is not the one that was sealed"}
	}
	return nil
}

// Seal signs the present head, keeps the seal in the database and in the data
// directory, and returns it so that it can also be logged elsewhere. It is to
// be called every hour. An empty log gives a zero Seal.
func (l *Log) Seal(ctx context.Context) (Seal, error) {
	key, err := l.key()
	if err != nil {
		return Seal{}, fmt.Errorf("audit: the signing key: %w", err)
	}
	var s Seal
	err = l.db.Update(ctx, func(tx *database.Tx) error {
		s = Seal{}
		end, err := head(ctx, tx)
		if err != nil || end.Seq == 0 {
			return err
		}
		s = Seal{Seq: end.Seq, At: tx.Now, Hash: end.Hash[:], PublicKey: key.Public().(ed25519.PublicKey)}
		s.Signature = ed25519.Sign(key, s.signed())
		_, err = tx.Exec(ctx, `INSERT INTO audit_seal (seq, at, hash, public_key, signature) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (seq, at, public_key) DO NOTHING`, s.Seq, database.Micros(s.At), s.Hash, s.PublicKey, s.Signature)
		return err
	})
	if err != nil || s.Seq == 0 {
		return Seal{}, err
	}
	text, err := json.Marshal(s)
	if err != nil {
		return Seal{}, err
	}
	if err := replaceFile(filepath.Join(l.o.Dir, SealFile), append(text, '\n')); err != nil {
		return Seal{}, fmt.Errorf("audit: keeping the seal: %w", err)
	}
	return s, nil
}

// ownSeal returns the last seal in the data directory, nil when there is none.
func (l *Log) ownSeal() (*Seal, error) {
	if l.o.Dir == "" {
		return nil, nil
	}
	text, err := os.ReadFile(filepath.Join(l.o.Dir, SealFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("audit: reading the last seal: %w", err)
	}
	var s Seal
	if err := json.Unmarshal(text, &s); err != nil || !s.Valid() {
		return nil, fmt.Errorf("audit: the last seal in the data directory is damaged (%s)", SealFile)
	}
	key, err := l.readKey()
	if err != nil {
		return nil, fmt.Errorf("audit: the signing key: %w", err)
	}
	if !key.Public().(ed25519.PublicKey).Equal(ed25519.PublicKey(s.PublicKey)) {
		return nil, fmt.Errorf("audit: the last seal in the data directory is of another key (%s)", SealFile)
	}
	return &s, nil
}

// seals returns the seals of the entries from..to.
func (l *Log) seals(ctx context.Context, from, to int64) ([]Seal, error) {
	var all []Seal
	err := l.db.View(ctx, func(tx *database.Tx) error {
		all = nil
		rows, err := tx.Query(ctx, `SELECT seq, at, hash, public_key, signature FROM audit_seal
			WHERE seq BETWEEN $1 AND $2 ORDER BY seq`, from, to)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var s Seal
			var at int64
			if err := rows.Scan(&s.Seq, &at, &s.Hash, &s.PublicKey, &s.Signature); err != nil {
				return err
			}
			s.At = database.Time(at)
			all = append(all, s)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("audit: reading seals: %w", err)
	}
	return all, nil
}

// key returns the signing key of the data directory, made on first use.
func (l *Log) key() (ed25519.PrivateKey, error) {
	key, err := l.readKey()
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	_, key, err = ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(l.o.Dir, KeyFile)
	temp, err := writeTemp(path, []byte(base64.StdEncoding.EncodeToString(key.Seed())+"\n"))
	if err != nil {
		return nil, err
	}
	// A link does not replace: of two that make a key, one wins.
	err = os.Link(temp, path)
	if errors.Is(err, fs.ErrExist) {
		err = nil
	}
	if err = errors.Join(err, os.Remove(temp), syncDir(l.o.Dir)); err != nil {
		return nil, err
	}
	return l.readKey()
}

func (l *Log) readKey() (ed25519.PrivateKey, error) {
	if l.o.Dir == "" {
		return nil, errors.New("the log has no data directory to keep one in")
	}
	text, err := os.ReadFile(filepath.Join(l.o.Dir, KeyFile))
	if err != nil {
		return nil, err
	}
	seed, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("%s is damaged", KeyFile)
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

// replaceFile writes the file whole or not at all, durably.
func replaceFile(path string, content []byte) error {
	temp, err := writeTemp(path, content)
	if err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	return syncDir(filepath.Dir(path))
}

func writeTemp(path string, content []byte) (string, error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".part-")
	if err != nil {
		return "", err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
