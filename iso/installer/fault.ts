/** Why nothing is installed: one screen with what is wrong, the value seen, what to do, and a code to look up. */
export class InstallFault extends Error {
  readonly code: FaultCode
  readonly seen: readonly string[]
  readonly remedy: string

  constructor(code: FaultCode, fields: { wrong: string; seen?: readonly string[]; remedy: string; cause?: unknown }) {
    super(fields.wrong, { cause: fields.cause })
    this.name = 'InstallFault'
    this.code = code
    this.seen = fields.seen ?? []
    this.remedy = fields.remedy
  }
}

/** Codes of the screen, of the marker on the serial line, and of iso/README.md. */
export const faultCodes = [
  'medium-missing',
  'medium-damaged',
  'memory-too-small',
  'disk-none',
  'disk-too-small',
  'disk-not-found',
  'disk-ambiguous',
  'disk-installed',
  'answers-unreadable',
  'answers-wrong',
  'answers-unreachable',
  'clock-wrong',
  'secure-boot-on',
  'not-confirmed',
  'tool-failed',
] as const
export type FaultCode = (typeof faultCodes)[number]

/** The screen of a fault, at most 78 columns wide. */
export function faultLines(fault: InstallFault): string[] {
  return [
    '',
    `  Freehold was not installed.   [${fault.code}]`,
    '',
    ...wrapped(fault.message),
    ...(fault.seen.length > 0 ? ['', '  Seen:', ...fault.seen.flatMap((line) => wrapped(line, '    '))] : []),
    '',
    '  What to do:',
    ...wrapped(fault.remedy, '    '),
    '',
  ]
}

/** Lines of at most 78 columns. */
export function wrapped(text: string, indent = '  '): string[] {
  const lines: string[] = []
  let line = indent
  for (const word of text.split(' ')) {
    if (line.length + word.length > 77 && line.trim() !== '') {
      lines.push(line.trimEnd())
      line = indent
    }
    line += `${word} `
  }
  return [...lines, line.trimEnd()]
}
