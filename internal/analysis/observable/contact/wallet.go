package contact

import (
	"crypto/sha256"
	"strings"

	"golang.org/x/crypto/sha3"
)

const (
	minWallet = 26 // of the shortest bitcoin addresses
	maxWallet = 106
)

// ParseWallet reads s, which is nothing but the address of a wallet, and
// returns it in canonical form:
//
//   - bitcoin and litecoin, base58check as written (P2PKH, P2SH), or segwit in
//     lower case (BIP 173, BIP 350);
//   - ethereum and its like, "0x" and 40 hexadecimal digits in the mixed case of
//     EIP-55; what is written in one case throughout has no checksum and is
//     taken on its shape;
//   - tron, base58check as written;
//   - monero (standard, integrated and subaddress), as written.
func ParseWallet(s string) (string, bool) {
	n := len(s)
	if n < minWallet || n > maxWallet {
		return "", false
	}
	switch c := s[0]; {
	case c == '0':
		return ethereum(s)
	case (c == '1' || c == '3') && n <= 35, (c == 'L' || c == 'M') && n <= 34 && n >= 33, c == 'T' && n == 34:
		if base58check(s) {
			return s, true
		}
		if c != 'L' && c != 'l' {
			return "", false
		}
	case (c == '4' || c == '8') && (n == 95 || n == 106):
		return s, monero(s)
	}
	if c := s[0] | 0x20; c == 'b' || c == 'l' {
		return segwit(s)
	}
	return "", false
}

const base58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

// base58Value maps a character to its value, or to 0xff.
var base58Value = func() (t [256]byte) {
	for i := range t {
		t[i] = 0xff
	}
	for i := range len(base58) {
		t[base58[i]] = byte(i)
	}
	return t
}()

// base58check reports whether s is 25 bytes: a version that fits its first
// character, 20 bytes, and the first four of their double SHA-256.
func base58check(s string) bool {
	var raw [25]byte
	zeros := 0
	for zeros < len(s) && s[zeros] == '1' {
		zeros++
	}
	for i := range len(s) {
		carry := int(base58Value[s[i]])
		if carry == 0xff {
			return false
		}
		for j := len(raw) - 1; j >= 0; j-- {
			carry += 58 * int(raw[j])
			raw[j] = byte(carry)
			carry >>= 8
		}
		if carry != 0 {
			return false
		}
	}
	lead := 0
	for lead < len(raw) && raw[lead] == 0 {
		lead++
	}
	if lead != zeros {
		return false // another length than 25 bytes
	}
	switch raw[0] {
	case 0x00, 0x05, 0x30, 0x32, 0x41:
	default:
		return false
	}
	sum := sha256.Sum256(raw[:21])
	sum = sha256.Sum256(sum[:])
	return [4]byte(sum[:4]) == [4]byte(raw[21:])
}

const bech32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"

// segwit reads a native segwit address of bitcoin or litecoin.
func segwit(s string) (string, bool) {
	low := strings.ToLower(s)
	if low != s && strings.ToUpper(s) != s || len(s) > 90 {
		return "", false
	}
	hrp := "bc"
	if strings.HasPrefix(low, "ltc1") {
		hrp = "ltc"
	} else if !strings.HasPrefix(low, "bc1") {
		return "", false
	}
	data := low[len(hrp)+1:]
	if len(data) < 8 {
		return "", false
	}
	sum := uint32(1)
	step := func(v byte) {
		top := sum >> 25
		sum = (sum&0x1ffffff)<<5 ^ uint32(v)
		for i, g := range [5]uint32{0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3} {
			if top>>i&1 == 1 {
				sum ^= g
			}
		}
	}
	for i := range len(hrp) {
		step(hrp[i] >> 5)
	}
	step(0)
	for i := range len(hrp) {
		step(hrp[i] & 31)
	}
	version, last := 0, 0
	for i := range len(data) {
		v := strings.IndexByte(bech32, data[i])
		if v < 0 {
			return "", false
		}
		if i == 0 {
			version = v
		}
		if i == len(data)-7 {
			last = v
		}
		step(byte(v))
	}
	bits := 5 * (len(data) - 7)
	size, spare := bits/8, bits%8
	if spare >= 5 || last&(1<<spare-1) != 0 || version > 16 || size < 2 || size > 40 {
		return "", false
	}
	if version == 0 {
		return low, sum == 1 && (size == 20 || size == 32)
	}
	return low, sum == 0x2bc830a3
}

// ethereum reads "0x" and 40 hexadecimal digits.
func ethereum(s string) (string, bool) {
	if len(s) != 42 || s[1]|0x20 != 'x' {
		return "", false
	}
	var low [40]byte
	var small, big bool
	for i := range low {
		c := s[i+2]
		switch {
		case isDigit(c):
		case 'a' <= c && c <= 'f':
			small = true
		case 'A' <= c && c <= 'F':
			big = true
			c |= 0x20
		default:
			return "", false
		}
		low[i] = c
	}
	if !small && !big {
		return "", false // a number with zeros
	}
	sum := keccak(low[:])
	for i, c := range low {
		if half := sum[i/2] >> (4 * (1 - i%2)) & 15; half >= 8 && c >= 'a' {
			low[i] = c &^ 0x20
		}
	}
	value := "0x" + string(low[:])
	return value, !small || !big || s[2:] == value[2:]
}

func keccak(b []byte) [32]byte {
	h := sha3.NewLegacyKeccak256()
	h.Write(b)
	return [32]byte(h.Sum(nil))
}

// monero reports whether s is an address of the main network: blocks of 8
// bytes written as 11 characters, the last four bytes a Keccak-256 checksum.
func monero(s string) bool {
	raw := make([]byte, 0, 80)
	for len(s) > 0 {
		block := s[:min(len(s), 11)]
		s = s[len(block):]
		size := map[int]int{11: 8, 7: 5}[len(block)] // 95 = 8×11+7, 106 = 9×11+7
		if size == 0 {
			return false
		}
		var v uint64
		for i := range len(block) {
			d := base58Value[block[i]]
			next := v*58 + uint64(d)
			if d == 0xff || v > (1<<64-1)/58 || next < v*58 {
				return false
			}
			v = next
		}
		if size < 8 && v>>(8*size) != 0 {
			return false
		}
		for k := size - 1; k >= 0; k-- {
			raw = append(raw, byte(v>>(8*k)))
		}
	}
	if len(raw) < 5 || raw[0] != 18 && raw[0] != 19 && raw[0] != 42 {
		return false
	}
	sum := keccak(raw[:len(raw)-4])
	return [4]byte(sum[:4]) == [4]byte(raw[len(raw)-4:])
}
