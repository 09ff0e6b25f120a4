import assert from 'node:assert/strict'
import { test } from 'node:test'
import { qrBlocks } from './qr-blocks.ts'
import { screenLines, type ScreenFacts } from './screen-text.ts'

const fingerprint = Array.from({ length: 32 }, (_, i) => i.toString(16).padStart(2, '0').toUpperCase()).join(':')
const facts: ScreenFacts = {
  ipv4: ['192.168.178.123'],
  ipv6: ['2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff'],
  name: 'freehold.local',
  code: { text: 'A1B2C3', left: 5, voided: 0 },
  fingerprint,
  next: null,
  progress: null,
  trying: null,
  origin: null,
  trouble: null,
}

/** Every state with the longest values there can be. */
const states: Record<string, ScreenFacts> = {
  waiting: facts,
  'without an address': { ...facts, ipv4: [], ipv6: [], name: null },
  'four addresses': {
    ...facts,
    ipv4: ['192.168.100.100', '172.16.100.200'],
    ipv6: [...facts.ipv6, 'fd00:1111:2222:3333:4444:5555:6666:7777'],
  },
  'after wrong codes': { ...facts, code: { text: 'ZZZZZZ', left: 1, voided: 3 } },
  'waiting for a repository': { ...facts, trouble: 'Proxmox, step 2 of 6 (repository): waiting: it does not answer. '.repeat(9) },
  running: { ...facts, progress: { step: 'storefront-check', at: 8, of: 9, phase: 'x'.repeat(300), state: 'running' } },
  failed: { ...facts, progress: { step: 'contracts', at: 7, of: 9, phase: null, state: 'failed' } },
  trial: { ...facts, trying: { address: 'https://192.168.178.200', secondsLeft: 117 } },
  announced: { ...facts, next: fingerprint, progress: { step: 'tls', at: 10, of: 12, phase: 'x'.repeat(300), state: 'running' } },
  'set up': { ...facts, code: null, origin: 'https://host.example' },
  closed: { ...facts, code: null, origin: 'https://host.example', trouble: 'No chain answers. '.repeat(20) },
}

test('W1 every state fits 80 by 24, in characters that a plain console has', () => {
  for (const [name, state] of Object.entries(states)) {
    const lines = screenLines(state)
    assert.ok(lines.length <= 24, `${name}: ${lines.length} lines`)
    for (const line of lines) {
      assert.ok(line.length <= 80, `${name}: ${line}`)
      assert.match(line, /^[\x20-\x7e█▀▄]*$/, name)
    }
    if (state.code !== null && state.fingerprint !== null && state.next === null)
      assert.ok(lines.includes('compare: the SHA-256 fingerprint that it shows must be'))
  }
})

test('W1 addresses of both families, code, fingerprint and next step are all on it', () => {
  const text = screenLines(facts).join('\n')
  assert.match(text, /https:\/\/192\.168\.178\.123/)
  assert.match(text, /https:\/\/\[2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff\]/)
  assert.match(text, /A1B 2C3/)
  assert.match(text, /Open in a browser/)
  const [first, second] = [fingerprint.slice(0, 47), fingerprint.slice(48)]
  assert.ok(text.includes(`${first}\n${second}`), 'the whole fingerprint, in two lines')
})

test('W1 the QR yields first: fingerprint and code stay where there is no room for it', () => {
  const roomy = screenLines({ ...facts, ipv6: [], name: null }).join('\n')
  assert.match(roomy, /█/)
  const tight = screenLines(facts).join('\n')
  assert.doesNotMatch(tight, /█/, 'a long IPv6 address leaves no room beside it')
  assert.match(tight, /A1B 2C3/)
})

test('W2 the screen says why there is another code', () => {
  assert.match(screenLines(states['after wrong codes'] as ScreenFacts).join('\n'), /typed wrong too often/)
})

test('W13 a network change on trial shows address and seconds', () => {
  assert.match(screenLines(states['trial'] as ScreenFacts).join('\n'), /192\.168\.178\.200\n?[\s\S]*117 s/)
})

test('W14 the next fingerprint is on the screen before browsers meet it', () => {
  const text = screenLines(states['announced'] as ScreenFacts).join('\n')
  assert.match(text, /changes in a moment/)
  assert.ok(text.includes(`${fingerprint.slice(0, 47)}\n${fingerprint.slice(48)}`), 'the whole of it')
})

test('once the host is set up no code is shown', () => {
  const text = screenLines(states['set up'] as ScreenFacts).join('\n')
  assert.doesNotMatch(text, /code/i)
  assert.ok(text.includes(`${fingerprint.slice(0, 47)}\n${fingerprint.slice(48)}`), 'the whole fingerprint')
})

test('W17 the QR carries address and code, dark on light, and none is drawn that would not fit', () => {
  const blocks = qrBlocks('https://192.168.178.123/#A1B2C3', 37, 20)
  assert.ok(blocks !== undefined)
  // 25 or 29 modules and the quiet zone; its border is light, so it is drawn
  assert.ok([29, 33].includes(blocks[0]?.length ?? 0))
  assert.match(blocks[0] ?? '', /^█+$/)
  assert.equal(qrBlocks('https://192.168.178.123/#A1B2C3', 20, 20), undefined)
  // the one on the screen is that very one: address and code
  const drawn = qrBlocks('https://192.168.178.123/#A1B2C3', 37, 24 - 6) ?? []
  const lines = screenLines({ ...facts, ipv6: [], name: null })
  assert.deepEqual(
    lines.slice(0, drawn.length).map((line) => line.slice(80 - (drawn[0]?.length ?? 0))),
    drawn,
  )
})
