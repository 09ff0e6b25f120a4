import { z } from 'zod'
import { LineCounter, parseDocument } from 'yaml'
import { parseConfig } from '../../appliance/src/config/load.ts'
import type { AppError } from '../../appliance/src/errors/app-error.ts'
import { InstallFault } from './fault.ts'

/** What runs the VMs of the host. */
export const profiles = ['libvirt', 'proxmox'] as const
export type Profile = (typeof profiles)[number]

/** One disk, named so that no other can be meant. Each field that is given must match. */
const diskAnswer = z
  .strictObject({
    serial: z.string().min(1).optional(),
    wwn: z.string().min(1).optional(),
    /** Stable only where the machine has one such disk; serial or wwn is better. */
    path: z
      .string()
      .regex(/^\/dev\/[a-z0-9/-]+$/)
      .optional(),
  })
  .refine((disk) => Object.keys(disk).length > 0, 'name a serial, a wwn or a path')

/** The part of an answer file that only the installer reads. */
export const installAnswer = z.strictObject({
  /** One disk, or two for a mirror. */
  disks: z.array(diskAnswer).min(1).max(2),
  /** That what is on these disks may go. Without it nothing is written. */
  wipe: z.literal(true, { error: 'write wipe: true; everything on these disks is lost' }),
  /** A disk that holds an installation of Freehold already: only with this it is wiped without a hand on the keyboard. */
  wipeInstalled: z.boolean().default(false),
  /** `proxmox`: its packages come from its own repository once the machine has started from its disk. */
  profile: z.enum(profiles).default('libvirt'),
  /** What the machine does after the installation. */
  afterwards: z.enum(['power-off', 'reboot']).default('power-off'),
})
export type InstallAnswer = z.output<typeof installAnswer>
export type DiskAnswer = InstallAnswer['disks'][number]

/** What people look for beside mirrors, and why it is not there. */
export const noZfs = 'ZFS is not offered: its module is not in Debian’s signed kernel, and its licence keeps it off the medium.'
/** Keys that nobody finds, and what is there in their place. */
const hints: Record<string, string> = {
  filesystem: `the file system is always ext4, over md where two disks are named. ${noZfs}`,
}

/** An answer file: what the installer needs, and the text of the rest, which the first boot applies; undefined: the wizard asks. */
export interface Answers {
  install: InstallAnswer
  rest: string | undefined
}

/**
 * Reads an answer file; unknown keys and wrong values are refused with file, line and remedy, all of them at once, before
 * anything is written.
 */
export function parseAnswers(text: string, file: string): Answers {
  const counter = new LineCounter()
  const document = parseDocument(text, { lineCounter: counter })
  const [error] = document.errors
  if (error !== undefined) {
    throw new InstallFault('answers-unreadable', {
      wrong: `The answer file ${file} is no YAML.`,
      seen: [`${file}:${counter.linePos(error.pos[0]).line}: ${error.message.split('\n')[0] ?? ''}`],
      remedy: 'Mend that line. freehold validate FILE checks the file on any machine.',
    })
  }
  const content = document.toJS() as unknown
  if (typeof content !== 'object' || content === null || !('install' in content)) {
    throw new InstallFault('answers-wrong', {
      wrong: `The answer file ${file} has no section "install", so no disk is named.`,
      remedy: 'Add install: with disks: and wipe: true, or take the file away and answer by hand.',
    })
  }
  const { install, ...rest } = content as Record<string, unknown>
  const read = installAnswer.safeParse(install)
  const wrong: string[] = []
  if (!read.success) {
    for (const issue of read.error.issues) {
      const keys = issue.code === 'unrecognized_keys' ? issue.keys : [undefined]
      for (const key of keys) {
        const path = ['install', ...issue.path, ...(key === undefined ? [] : [key])].map(String)
        const hint = hints[path.slice(1).join('.')]
        const what = key === undefined ? issue.message : `unknown key${hint === undefined ? '' : `: ${hint}`}`
        wrong.push(`${file}:${lineOf(document, counter, path)}: ${path.join('.')}: ${what}`)
      }
    }
  }
  const others = Object.keys(rest).filter((key) => key !== 'version')
  let after: string | undefined
  if (others.length > 0) {
    document.delete('install')
    after = document.toString()
    try {
      parseConfig(after, file)
    } catch (refused) {
      for (const { pointer, detail } of (refused as AppError).fields) {
        const path = pointer.split('/').slice(1)
        wrong.push(
          `${file}:${lineOf(parseDocument(text, { lineCounter: counter }), counter, path)}: ${path.join('.')}: ${detail}`,
        )
      }
      if (wrong.length === 0) wrong.push((refused as Error).message)
    }
  }
  if (wrong.length > 0 || !read.success) {
    throw new InstallFault('answers-wrong', {
      wrong: 'The answer file was refused.',
      seen: wrong,
      remedy: 'Mend these lines. Nothing was written to any disk.',
    })
  }
  return { install: read.data, rest: after }
}

function lineOf(document: ReturnType<typeof parseDocument>, counter: LineCounter, path: readonly string[]): number {
  for (let depth = path.length; depth > 0; depth--) {
    const keys = path.slice(0, depth).map((key) => (/^\d+$/.test(key) ? Number(key) : key))
    const node = document.getIn(keys, true) as { range?: [number, number, number] } | undefined
    if (node?.range !== undefined) return counter.linePos(node.range[0]).line
  }
  return 1
}
