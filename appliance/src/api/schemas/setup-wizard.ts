import { z } from 'zod'
import { hypervisorAnswer, uplinkAnswer } from '../../config/schema.ts'
import { taskSchema } from './tasks.ts'

export const sectionNames = [
  'uplink',
  'address',
  'tls',
  'chain',
  'existing',
  'people',
  'hypervisor',
  'network',
  'template',
  'plans',
  'backup',
] as const

export const sectionSchema = z.strictObject({
  name: z.enum(sectionNames),
  /** `check-again`: an earlier answer has changed since. */
  state: z.enum(['open', 'answered', 'check-again']),
  revision: z.number().int(),
  value: z.record(z.string(), z.unknown()).nullable(),
})

/** GET /v1/setup/wizard: where setup stands. The host says which page is next, not the browser (W6). */
export const wizardSchema = z.strictObject({
  version: z.string(),
  sections: z.array(sectionSchema),
  next: z.enum([...sectionNames, 'review', 'run']),
  /** Browsers that are in. */
  browsers: z.number().int(),
  task: taskSchema.nullable(),
  /** The deployment waits for the operator's wallet. */
  wallet: z.strictObject({ chainId: z.number().int(), to: z.string().nullable(), data: z.string() }).nullable(),
  /** SHA-256 of the certificate that the public address is about to show, while it is announced. */
  nextCertificate: z.string().nullable(),
  /** The step that has failed, where it may be gone on without. */
  skippable: z.string().nullable(),
})

/** POST /v1/setup/run: steps to go on without. */
export const runBodySchema = z.strictObject({ skip: z.array(z.string().max(40)).max(20).default([]) })

/** GET /v1/setup/entry: what somebody without the code may know. */
export const entrySchema = z.strictObject({
  entered: z.boolean(),
  /** Tries that the code on the screen has left. */
  left: z.number().int(),
})
export const enterBodySchema = z.strictObject({ code: z.string().max(100) })
export const enteredSchema = z.strictObject({
  entered: z.boolean(),
  left: z.number().int(),
  /** The code was void after this try: another stands on the screen. */
  renewed: z.boolean(),
})

export const answerBodySchema = z.strictObject({
  revision: z.number().int().min(0),
  value: z.record(z.string(), z.unknown()),
})

export const checkBodySchema = z.strictObject({ value: z.record(z.string(), z.unknown()) })
export const checksSchema = z.strictObject({
  checks: z.array(
    z.strictObject({
      name: z.string(),
      pointer: z.string(),
      state: z.enum(['passed', 'warned', 'failed']),
      values: z.record(z.string(), z.union([z.string(), z.number()])),
      detail: z.string().nullable(),
      hint: z.string().nullable(),
      code: z.string().nullable(),
    }),
  ),
})

export const changesSchema = z.strictObject({
  changes: z.array(
    z.strictObject({
      step: z.string(),
      kind: z.enum([
        'storage',
        'template',
        'key',
        'contract',
        'contract-taken',
        'plan',
        'funds',
        'file',
        'network',
        'uplink',
        'certificate-acme',
        'certificate-own',
        'storefront',
        'backup',
      ]),
      values: z.record(z.string(), z.union([z.string(), z.number()])),
      undo: z.enum(['yes', 'part', 'no']),
      costWei: z.string().nullable(),
    }),
  ),
  estimateSeconds: z.number(),
})

/** A change that is being tried; it is taken back after `secondsLeft` unless it is confirmed at `address`. */
const trialSchema = z.strictObject({ secondsLeft: z.number().int(), address: z.string().nullable(), uplink: uplinkAnswer })
/** GET /v1/setup/network: the machine's own cards as they are now. */
export const networkSchema = z.strictObject({
  cards: z.array(
    z.strictObject({
      device: z.string(),
      mac: z.string(),
      addresses: z.array(z.string()),
      gateway: z.string().nullable(),
      up: z.boolean(),
    }),
  ),
  trial: trialSchema.nullable(),
  /** Why the last change could not be tried at all. */
  failed: z.string().nullable(),
})
export const tryNetworkBodySchema = z.strictObject({ uplink: uplinkAnswer })
/** `word` lets the browser in at the new address, once, as the fragment of the address: it is sent to nobody by itself. */
export const triedNetworkSchema = z.strictObject({ trial: trialSchema, word: z.string() })

const diskPlaceSchema = z.strictObject({
  place: z.string(),
  kind: z.string(),
  totalBytes: z.number(),
  freeBytes: z.number(),
  /** Names of the first few things in it, or kinds of content that it takes. */
  holds: z.array(z.string()),
  refused: z.enum(['shared-with-state', 'read-only', 'unreadable']).nullable(),
})
/** GET /v1/setup/storages: where disks may lie on this machine, and the asker's own network. */
export const storagesSchema = z.strictObject({ places: z.array(diskPlaceSchema), you: z.string().nullable() })

/** POST /v1/setup/enrolment/plan and /v1/setup/enrolment. The privileged token is used for this request and kept nowhere. */
export const enrolmentBodySchema = z.strictObject({
  hypervisor: hypervisorAnswer.refine((value) => value.kind === 'proxmox', 'only Proxmox is enrolled with'),
  privilegedToken: z.string().min(1).max(300),
  operatorNetworks: z.array(z.string().max(60)).min(1).max(20),
})
const enrolmentLines = z.array(z.strictObject({ what: z.string(), done: z.boolean() }))
export const enrolmentPlanSchema = z.strictObject({ steps: enrolmentLines, storages: z.array(diskPlaceSchema) })
export const enrolledSchema = z.strictObject({ steps: enrolmentLines, tokenFile: z.string() })

export const answerFileSchema = z.strictObject({ text: z.string(), leftOut: z.array(z.string()) })
export const walletSentSchema = z.strictObject({ hash: z.string().regex(/^0x[0-9a-fA-F]{64}$/) })
export const setupLogSchema = z.strictObject({
  lines: z.array(z.strictObject({ seq: z.number().int(), at: z.number().int(), line: z.string() })),
})
