import { appendFileSync, existsSync } from 'node:fs'
import { createInterface } from 'node:readline/promises'
import type { InstallFault } from './fault.ts'
import { faultLines } from './fault.ts'

const began = performance.now()
/** Screen and serial line both tell what goes on; questions are asked at the console of the boot entry. */
const ends = ['/dev/tty1', '/dev/ttyS0']

function write(text: string): void {
  for (const end of ends) {
    try {
      if (existsSync(end)) appendFileSync(end, text.replaceAll('\n', '\r\n'))
    } catch {
      // a machine without a serial port has the file and nothing behind it
    }
  }
}

export const show = (...lines: string[]): void => write(`${lines.join('\n')}\n`)

/** One line a phase, which machines read: `FREEHOLD-INSTALL 12.3 copied`. */
export const marker = (phase: string): void =>
  show(`FREEHOLD-INSTALL ${((performance.now() - began) / 1000).toFixed(1)} ${phase}`)

export function showFault(fault: InstallFault): void {
  show(...faultLines(fault), `FREEHOLD-FAILED ${fault.code}`)
}

/** Asks at the console; an ended input answers nothing. */
export async function ask(question: string): Promise<string> {
  const prompt = createInterface({ input: process.stdin, output: process.stdout, terminal: false })
  try {
    return await prompt.question(question)
  } finally {
    prompt.close()
  }
}
