import { z } from 'zod'
import { addressSchema, amountSchema, hashSchema, pageOf, tokenIdSchema, unixSecondsSchema, vmIdSchema } from './values.ts'
import { taskSchema } from './tasks.ts'

/** Phases of the one rule, at the latest block. */
export const entitlementSchema = z.enum(['pending', 'active', 'grace', 'graceOver', 'ended'])

/** One row of GET /v1/subscriptions: the holder's own, the operator's all. */
export const subscriptionSchema = z.strictObject({
  vmId: vmIdSchema,
  installation: z.string(),
  contract: addressSchema,
  tokenId: tokenIdSchema,
  planId: z.number().int(),
  planName: z.string(),
  holder: addressSchema,
  entitlement: entitlementSchema,
  token: addressSchema,
  symbol: z.string(),
  decimals: z.number().int(),
  seconds: z.number().int(),
  boughtAt: unixSecondsSchema,
  activationDeadline: unixSecondsSchema,
  /** 0 while pending. */
  activatedAt: unixSecondsSchema,
  expiresAt: unixSecondsSchema,
  graceEndsAt: unixSecondsSchema,
  paid: amountSchema,
  /** What a cancel would pay back now. */
  refundable: amountSchema,
})
export type SubscriptionView = z.output<typeof subscriptionSchema>
export const subscriptionsPageSchema = pageOf(subscriptionSchema)

/** What a person sees of a VM. One word for each state; `missing` and `unknown` are never acted on. */
export const vmStateSchema = z.enum([
  'waiting-for-confirmation',
  'preparing',
  'running',
  'stopped',
  'suspended',
  'ending',
  'ended',
  'missing',
  'unknown',
])
export type VmState = z.output<typeof vmStateSchema>

export const vmActionSchema = z.enum(['start', 'stop', 'reboot', 'snapshot', 'rollback', 'reinstall', 'console'])
export type VmAction = z.output<typeof vmActionSchema>

/** One row of GET /v1/vms and the whole of GET /v1/vms/{vmId}. */
export const vmSchema = z.strictObject({
  vmId: vmIdSchema,
  hostname: z.string(),
  generation: z.number().int(),
  state: vmStateSchema,
  /** What is going on or wrong, one sentence, or null. */
  note: z.string().nullable(),
  subscription: subscriptionSchema,
  vcpus: z.number().int(),
  memoryMiB: z.number().int(),
  diskGiB: z.number().int(),
  /** Of a subscription of kind WASM, which has no machine: gas from midnight to midnight UTC. */
  gasPerDay: amountSchema.default('0'),
  addresses: z.strictObject({ ipv4: z.string().nullable(), ipv6: z.string().nullable(), sshPort: z.number().int().nullable() }),
  /** Null until the guest has reported. */
  ssh: z
    .strictObject({
      user: z.string().regex(/^[a-z][a-z0-9-]{0,31}$/),
      /** A name or an address: it becomes a word of an ssh configuration on the reader's machine. */
      host: z.string().regex(/^[A-Za-z0-9:][A-Za-z0-9.:-]{0,252}$/),
      port: z.number().int().min(1).max(65_535),
      /** The whole line to type. */
      command: z.string(),
      /** As `ssh` prints it: `SHA256:…`. */
      hostKeyFingerprint: z.string(),
      /** The line for known_hosts. */
      knownHostsLine: z.string(),
    })
    .nullable(),
  /** Which actions are possible now; the reason where not. From the one table (vms/vm-actions.ts). */
  actions: z.array(z.strictObject({ action: vmActionSchema, allowed: z.boolean(), reason: z.string().nullable() })),
  snapshots: z.array(z.string()),
  /** Who was root in this generation before the present holder, who has not yet chosen to reinstall or to keep it; else null (L5). */
  formerHolder: addressSchema.nullable(),
  /** The work going on at this VM, if any. */
  task: taskSchema.nullable(),
  /** For the operator, where the hypervisor has a page for it. */
  hypervisorPage: z.url({ protocol: /^https$/ }).nullable(),
})
export type VmView = z.output<typeof vmSchema>
export const vmsPageSchema = pageOf(vmSchema)

/** POST /v1/vms/{vmId}/actions (Idempotency-Key). Answers 202 with the task. Acts that need a fresh signature take the request. */
export const vmActionBodySchema = z.strictObject({
  action: vmActionSchema,
  /** Id of an approved login request whose act is this one (reinstall, rollback, console). */
  requestId: z.string().optional(),
})

/** POST /v1/vms/{vmId}/keep (Idempotency-Key): the holder keeps the VM as a former holder left it. Answers with the VM. */
export const keepBodySchema = z.strictObject({
  /** The generation that the holder looked at. */
  generation: z.number().int().min(1),
})

/** GET /v1/purchases/{transactionHash}: public; where a purchase stands. Only what the chain shows to anybody. */
export const purchaseSchema = z.strictObject({
  transactionHash: hashSchema,
  state: z.enum(['unknown', 'seen', 'confirmed', 'preparing', 'ready', 'rejected', 'refundable', 'failed']),
  vmId: vmIdSchema.nullable(),
  /** Named phase while preparing, such as `booting`. */
  phase: z.string().nullable(),
  confirmations: z.number().int(),
  confirmationsNeeded: z.number().int(),
  elapsedSeconds: z.number().int(),
  activationDeadline: unixSecondsSchema.nullable(),
})
export type Purchase = z.output<typeof purchaseSchema>
