package richtext

import (
	"encoding/binary"
	"hash/crc32"
)

// dictionary is what the window holds before the first byte ([MS-OXRTFCP]
// 2.1.2.1).
const dictionary = "{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript " +
	"\\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx"

const (
	headerSize   = 16
	windowSize   = 4096
	compressed   = 0x75465A4C // "LZFu"
	uncompressed = 0x414C454D // "MELA"
)

// Decompress undoes the compression of PidTagRtfCompressed and returns at most
// limit bytes. It reports false when the checksum or the sizes are wrong, when
// the data ends early, and when the limit cut it off; what could be read is
// returned all the same.
func Decompress(src []byte, limit int) (rtf []byte, ok bool) {
	if len(src) < headerSize {
		return nil, false
	}
	size := int64(binary.LittleEndian.Uint32(src[4:]))
	kind, sum := binary.LittleEndian.Uint32(src[8:]), binary.LittleEndian.Uint32(src[12:])
	// The size in the header counts what follows that field.
	data := src[headerSize:]
	ok = int64(binary.LittleEndian.Uint32(src))+4 == int64(len(src))
	if size > int64(limit) {
		size, ok = int64(max(limit, 0)), false
	}
	switch kind {
	case uncompressed:
		n := min(int(size), len(data))
		return data[:n], ok && n == int(size)
	case compressed:
	default:
		return nil, false
	}
	// The checksum is CRC-32 without the inversions at both ends (2.1.3.2).
	ok = ok && ^crc32.Update(0xFFFFFFFF, crc32.IEEETable, data) == sum
	var window [windowSize]byte
	at := copy(window[:], dictionary)
	// No byte of compressed data makes more than nine.
	out := make([]byte, 0, min(int(size), 9*len(data)))
	for pos := 0; pos < len(data); {
		control := data[pos]
		pos++
		for bit := range 8 {
			if len(out) >= int(size) {
				// Nothing but the end mark may follow.
				return out, ok
			}
			if control&(1<<bit) == 0 {
				if pos >= len(data) {
					return out, false
				}
				c := data[pos]
				pos++
				out = append(out, c)
				window[at] = c
				at = (at + 1) % windowSize
				continue
			}
			if pos+2 > len(data) {
				return out, false
			}
			reference := int(binary.BigEndian.Uint16(data[pos:]))
			pos += 2
			from, length := reference>>4, reference&15+2
			if from == at { // the end mark
				return out, ok && len(out) == int(size)
			}
			for range min(length, int(size)-len(out)) {
				c := window[from]
				from = (from + 1) % windowSize
				out = append(out, c)
				window[at] = c
				at = (at + 1) % windowSize
			}
		}
	}
	return out, ok && len(out) == int(size)
}
