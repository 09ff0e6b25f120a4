import type { Clock } from '../../clock/clock.ts'

export interface DrawOptions {
  clock: Clock
  lines(): Promise<string[]>
  /** Another code: R was pressed. */
  renew(): Promise<void>
}

const escape = '\u001b'

/**
 * Draws on the terminal until SIGINT, SIGTERM or SIGHUP, again whenever something has changed and every ten minutes, as
 * others may write to a console too. Only R does anything: the keyboard of a machine in a rack is anybody's.
 */
export async function drawScreen({ clock, lines, renew }: DrawOptions): Promise<void> {
  const stop = new AbortController()
  const end = (): void => stop.abort()
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const signal of signals) process.once(signal, end)
  const { stdin, stdout } = process
  if (stdin.isTTY) stdin.setRawMode(true)
  const pressed = (key: Buffer): void => {
    const text = key.toString('latin1')
    // in raw mode Ctrl-C is a key like others
    if (text === '\u0003') end()
    else if (text.toLowerCase() === 'r') void renew().catch(() => undefined)
  }
  stdin.on('data', pressed)
  let shown = ''
  let drawnAt = 0
  try {
    while (!stop.signal.aborted) {
      // cleared before it is written: behind the last column the cursor still stands on it
      const text = (await lines()).map((line) => `${escape}[K${line}`).join('\r\n')
      if (text !== shown || clock.monotonicMs() - drawnAt > 600_000) {
        stdout.write(`${escape}[?25l${escape}[H${text}${escape}[J`)
        shown = text
        drawnAt = clock.monotonicMs()
      }
      await clock.wait(1000, stop.signal).catch(() => undefined)
    }
  } finally {
    stdin.off('data', pressed)
    stdin.pause()
    if (stdin.isTTY) stdin.setRawMode(false)
    stdout.write(`${escape}[?25h\r\n`)
    for (const signal of signals) process.off(signal, end)
  }
}
