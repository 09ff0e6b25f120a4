import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { suite, test } from 'node:test'
import { screenLines } from '@freehold/appliance/cli/screen/screen-text'
import { lastScreen, readPicture, screenDiffers } from './screen-picture.ts'

const fingerprint = createHash('sha256').update('a certificate').digest('hex').toUpperCase().match(/../g)?.join(':') ?? ''
const lines = screenLines({
  ...{ ipv4: ['10.0.2.15'], ipv6: ['fec0::5054:ff:fe12:3456'], name: null, fingerprint },
  code: { text: 'A1B2C3', left: 5, voided: 0 },
  ...{ next: null, progress: null, trying: null, origin: null, trouble: null },
})

/** Rows of eight points of an invented font; its blocks are those of the kernel's, one row of sixteen off the middle. */
function glyph(character: string): number[] {
  const rows = (upper: number, lower: number): number[] => Array.from({ length: 16 }, (_, y) => (y < 7 ? upper : lower))
  if (character === ' ') return rows(0, 0)
  if (character === '█') return rows(0xff, 0xff)
  if (character === '▀') return rows(0xff, 0)
  if (character === '▄') return rows(0, 0xff)
  return [...createHash('sha256').update(character).digest()].slice(0, 16)
}

interface Screen {
  width: number
  height: number
  cellWidth: number
}
const frameBuffer: Screen = { width: 1280, height: 800, cellWidth: 8 }
// what VGA shows before a driver takes it
const textMode: Screen = { width: 720, height: 400, cellWidth: 9 }
const small: Screen = { width: 640, height: 80, cellWidth: 8 }

function draw(text: readonly string[], { width, height, cellWidth }: Screen = frameBuffer): Buffer {
  const points = Buffer.alloc(width * height * 3)
  for (const [row, line] of text.entries()) {
    for (const [column, character] of Array.from(line).entries()) {
      for (const [y, bits] of glyph(character).entries()) {
        for (let x = 0; x < cellWidth; x += 1) {
          // VGA draws the ninth column of blocks alone
          const drawn = x < 8 ? (bits >> (7 - x)) & 1 : '█▀▄'.includes(character) ? bits & 1 : 0
          const at = ((row * 16 + y) * width + column * cellWidth + x) * 3
          if (drawn === 1) points.fill(0xaa, at, at + 3)
        }
      }
    }
  }
  return Buffer.concat([Buffer.from(`P6\n${width} ${height}\n255\n`), points])
}

const differs = (drawn: readonly string[], screen?: Screen): string | undefined =>
  screenDiffers(readPicture(draw(drawn, screen)), lines)
const changed = (row: number, column: number, character: string): string[] =>
  lines.map((line, i) => (i === row ? `${line.padEnd(column).slice(0, column)}${character}${line.slice(column + 1)}` : line))
/** Where the first half of the fingerprint stands. */
const upper = lines.length - 2

test('the screen is what was drawn last on the serial line, whole drawings alone', () => {
  const drawn = lines.join('\r\r\n')
  const before = drawn.replace('A1B 2C3', 'ZZZ ZZZ')
  for (const serial of [
    drawn,
    `GRUB\r\nStarting Freehold\r\n${before}${drawn}`,
    `${drawn}Freehold   ██\r\n\r\nThis ma`,
    `${drawn}FREEHOLD-PROXMOX x\r\n`,
  ])
    assert.deepEqual(lastScreen(serial), lines)
  assert.equal(lastScreen(drawn.slice(0, -1)), undefined)
  assert.equal(lastScreen(''), undefined)
})

suite('a picture of the screen', () => {
  test('a picture that is cut short, or none, is refused', () => {
    assert.throws(() => readPicture(draw(lines).subarray(0, 90_000)), /no whole picture/)
    assert.throws(() => readPicture(Buffer.from('')), /no whole picture/)
  })

  test('a black screen is not it', () => {
    assert.match(differs([]) ?? '', /line 1: .* is not drawn so/)
  })

  test('other words on the screen are not it: a login prompt, the same one line lower, one that scrolled', () => {
    const login = ['Debian GNU/Linux 13 freehold tty1', '', 'freehold login: ']
    for (const other of [login, ['', ...lines], lines.slice(1), [...lines.slice(0, 3), ...login, ...lines.slice(6)]])
      assert.notEqual(differs(other), undefined)
  })

  test('one other digit of the fingerprint or of the code is seen, whichever it is', () => {
    const code = lines.find((line) => line.includes('A1B 2C3'))?.slice(0, 30) ?? ''
    const few = [code, ...lines.slice(-4)]
    assert.equal(screenDiffers(readPicture(draw(few, small)), few), undefined)
    for (const [row, line] of few.entries()) {
      for (const { 0: is, index } of line.matchAll(row === 0 ? /[A-C1-3](?=.{0,6}$)/g : /[0-9A-F](?=[0-9A-F:]|$)/g)) {
        if (row === 1 || row === 2) continue
        const other = is === '7' ? 'D' : '7'
        const shown = few.with(row, `${line.slice(0, index)}${other}${line.slice(index + 1)}`)
        assert.match(
          screenDiffers(readPicture(draw(shown, small)), few) ?? 'the same',
          /^read in cells of 8x16: line /,
          `${row} ${index}`,
        )
      }
    }
  })

  test('two digits in each other\u2019s place, something behind a line, a lost module of the QR code are seen', () => {
    const line = lines[upper] ?? ''
    const other = Array.from(line).findIndex((digit) => digit !== line[0] && digit !== ':')
    const swapped = `${line[other]}${line.slice(1, other)}${line[0]}${line.slice(other + 1)}`
    assert.notEqual(differs(lines.with(upper, swapped)), undefined)
    assert.match(differs(changed(upper, 120, 'x')) ?? '', /column 121/)
    const qr = lines.findIndex((text) => text.includes('▀'))
    assert.notEqual(differs(changed(qr, lines[qr]?.indexOf('▀') ?? 0, ' ')), undefined)
  })

  test('a font that has no blocks shows no QR code', () => {
    assert.match(differs(lines.map((line) => line.replaceAll('█', '?').replaceAll('▀', '!'))) ?? '', /is not drawn so/)
  })

  test('a screen that is too small, and words that tell no font, are said to be so', () => {
    assert.match(differs([], { width: 320, height: 200, cellWidth: 8 }) ?? '', /no room for 80x/)
    assert.match(screenDiffers(readPicture(draw([])), ['', '']) ?? '', /too few/)
  })

  test('W1 W3 the very screen is seen, on a frame buffer and in text mode', () => {
    assert.ok(lines.some((line) => line.includes('█')))
    assert.equal(differs(lines), undefined)
    assert.equal(differs(lines, { width: 1024, height: 768, cellWidth: 8 }), undefined)
    assert.equal(differs(lines, textMode), undefined)
  })
})
