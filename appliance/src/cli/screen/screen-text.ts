import { qrBlocks } from './qr-blocks.ts'

/** What the machine's own screen shows, from whoever knows it. */
export interface ScreenFacts {
  /** Addresses of this machine that a browser may open. */
  ipv4: readonly string[]
  ipv6: readonly string[]
  /** `freehold.local`, if it is announced. */
  name: string | null
  /** The one-time code and the tries it has left; null once the host is set up. */
  code: { text: string; left: number; voided: number } | null
  /** SHA-256 of the certificate, `AA:BB:…`, or null while there is none. */
  fingerprint: string | null
  /** Of the certificate that comes next, while it is announced (W14). */
  next: string | null
  /** Of the setup that runs, failed or waits. */
  progress: { step: string; at: number; of: number; phase: string | null; state: 'running' | 'failed' } | null
  /** A network change that is tried and not confirmed yet. */
  trying: { address: string; secondsLeft: number } | null
  /** The host is set up: where the storefront is. */
  origin: string | null
  /** Why nothing answers, for people. */
  trouble: string | null
}

const width = 80
const height = 24

/**
 * The screen as 24 lines of at most 80 characters, plain text and half blocks (W1). The QR yields first: it is left out where
 * it does not fit beside the text. Never says more than somebody before the machine may know. Pure.
 */
export function screenLines(facts: ScreenFacts): string[] {
  const lines = facts.code === null ? ready(facts) : open(facts)
  return lines.slice(0, height).map((line) => line.slice(0, width).trimEnd())
}

function open(facts: ScreenFacts): string[] {
  const code = facts.code ?? { text: '', left: 0, voided: 0 }
  const urls = urlsOf(facts)
  const text = [
    'Freehold',
    '',
    ...stepOf(facts),
    '',
    ...(urls.length === 0
      ? ['No address yet. Connect a network cable;', 'this screen shows the address by itself.']
      : ['1. Open in a browser on another computer:', ...urls.map((url) => `   ${url}`)]),
    '',
    `2. Type this code:   ${code.text.slice(0, 3)} ${code.text.slice(3)}`,
    `   ${tries(code)}`,
    '   R: another code',
  ]
  const below = fingerprint(facts)
  const [first] = urls
  // the code in the fragment spares typing it (W17); a fragment is never sent to a server
  const qr = first === undefined ? undefined : qrBlocks(`${first}/#${code.text}`, 37, height - 1 - below.length - 1)
  // only beside lines that leave it room
  const widest = Math.max(...text.map((line) => line.length))
  const beside = qr !== undefined && widest <= width - (qr[0]?.length ?? 0) - 2 ? qr : []
  const top = Array.from({ length: Math.max(text.length, beside.length) }, (_, i) => {
    const right = beside[i]
    return right === undefined ? (text[i] ?? '') : `${(text[i] ?? '').padEnd(width - right.length)}${right}`
  })
  return [...top, '', ...below]
}

function tries({ left, voided }: { left: number; voided: number }): string {
  const again = voided === 0 ? '' : ' The one before was typed wrong too often.'
  return `It may be typed wrong ${left} ${left === 1 ? 'time' : 'times'}.${again}`
}

function stepOf({ progress, trying, trouble }: ScreenFacts): string[] {
  if (trying !== null) {
    return [`Network change on trial: ${trying.address}`, `Confirm it there within ${trying.secondsLeft} s, or it is taken back.`]
  }
  if (progress !== null) {
    const where = `Step ${progress.at} of ${progress.of}: ${progress.step}`
    return progress.state === 'failed'
      ? [`Setup stopped. ${where}`, 'The browser says why and what to do.']
      : [`Setting up. ${where}`, progress.phase ?? '']
  }
  return wrap(trouble ?? 'This machine waits to be set up.').slice(0, 2)
}

function fingerprint({ fingerprint: text, next }: ScreenFacts): string[] {
  if (next !== null) {
    return ['The certificate changes in a moment. From then on the SHA-256 fingerprint is', next.slice(0, 47), next.slice(48)]
  }
  if (text === null) return ['The certificate is being made.']
  // 95 characters: two lines of 47
  return [
    'The browser warns, as nobody vouches for this certificate yet. Before you go on,',
    'compare: the SHA-256 fingerprint that it shows must be',
    text.slice(0, 47),
    text.slice(48),
  ].map((line) => line.slice(0, width))
}

function ready(facts: ScreenFacts): string[] {
  return [
    'Freehold',
    '',
    ...(facts.trouble === null
      ? [`The storefront is open at ${facts.origin ?? 'its address'}`]
      : ['The storefront is closed:', ...wrap(facts.trouble)]),
    '',
    'This machine:',
    ...urlsOf(facts).map((url) => `   ${url}`),
    '',
    ...(facts.fingerprint === null
      ? []
      : ['SHA-256 fingerprint of its certificate:', facts.fingerprint.slice(0, 47), facts.fingerprint.slice(48)]),
  ]
}

function urlsOf({ ipv4, ipv6, name }: ScreenFacts): string[] {
  const shown = [...ipv4.slice(0, 2), ...ipv6.slice(0, 2).map((address) => `[${address}]`), ...(name === null ? [] : [name])]
  return shown.map((host) => `https://${host}`)
}

function wrap(text: string): string[] {
  const lines: string[] = []
  for (const word of text.split(/\s+/)) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + word.length < width) lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines
}
