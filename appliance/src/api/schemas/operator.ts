import { z } from 'zod'
import {
  addressSchema,
  amountSchema,
  hashSchema,
  pageOf,
  pageQuerySchema,
  tokenIdSchema,
  unixSecondsSchema,
  vmIdSchema,
} from './values.ts'
import { taskSchema } from './tasks.ts'
import { entitlementSchema, vmStateSchema } from './vms.ts'

/** GET /v1/overview: is anything wrong, who rents what, what ends soon. For the operator. */
export const overviewSchema = z.strictObject({
  issues: z.strictObject({ high: z.number().int(), medium: z.number().int(), low: z.number().int() }),
  /** Tasks that failed or were interrupted among the newest, newest first. */
  failedTasks: z.array(taskSchema),
  vms: z.strictObject({
    total: z.number().int(),
    subscribers: z.number().int(),
    byState: z.array(z.strictObject({ state: vmStateSchema, count: z.number().int() })),
  }),
  /** Of each plan, how many places are taken. */
  plans: z.array(
    z.strictObject({ planId: z.number().int(), name: z.string(), used: z.number().int(), capacity: z.number().int() }),
  ),
  /** Ending within seven days, or ended and kept for a while; the next one first, at most 20. */
  endsSoon: z.array(
    z.strictObject({
      vmId: vmIdSchema,
      hostname: z.string(),
      planName: z.string(),
      holder: addressSchema,
      entitlement: entitlementSchema,
      expiresAt: unixSecondsSchema,
      graceEndsAt: unixSecondsSchema,
    }),
  ),
  endsSoonTotal: z.number().int(),
})
export type Overview = z.output<typeof overviewSchema>

/** GET /v1/host: the machine, its keys and roles, and how much of each plan fits. For the operator. */
export const hostSchema = z.strictObject({
  contract: addressSchema,
  /** All contracts that are served; the first sells. */
  contracts: z.array(z.strictObject({ installation: z.string(), address: addressSchema, provisioner: addressSchema })),
  owner: addressSchema,
  treasury: addressSchema,
  /** The key of this host. */
  provisioner: addressSchema,
  /** The key that waits to take its place, once the owner has named it on each contract. */
  nextProvisioner: addressSchema.nullable(),
  buyingPaused: z.boolean(),
  /** Null while the hypervisor does not answer. */
  capacity: z
    .strictObject({
      diskTotalBytes: z.number(),
      diskFreeBytes: z.number(),
      diskUnpromisedBytes: z.number(),
      memoryTotalMiB: z.number(),
      memoryUnpromisedMiB: z.number(),
      vcpus: z.number(),
    })
    .nullable(),
  /** How many more of each plan fit into this host now; null while the hypervisor does not answer. */
  room: z.array(z.strictObject({ planId: z.number().int(), fits: z.number().int().nullable() })),
  /** What this host was set up with, in the words of the answer file; no secret. */
  settings: z.array(z.strictObject({ key: z.string(), value: z.string() })),
})
export type Host = z.output<typeof hostSchema>

/** POST /v1/host/provisioner-key: makes the key that the owner then names. Answers with its address, the same one each time. */
export const nextKeySchema = z.strictObject({ address: addressSchema })

const tokenSchema = z.strictObject({ token: addressSchema, symbol: z.string(), decimals: z.number().int() })

/** GET /v1/money: what came in, what is held, what it costs. For the operator. */
export const moneySchema = z.strictObject({
  tokens: z.array(
    tokenSchema.extend({
      /** Paid for time that has not passed: cancels pay it back. */
      escrowed: amountSchema,
      /** Earned by the clock and not settled yet. */
      unsettled: amountSchema,
      /** Settled and not collected yet; null while the network does not answer. */
      collectable: amountSchema.nullable(),
      /** Sent to the treasury so far. */
      collected: amountSchema,
    }),
  ),
  provisioner: z.strictObject({
    address: addressSchema,
    /** Null while the network does not answer. */
    balanceWei: amountSchema.nullable(),
    spentDayWei: amountSchema,
    transactions: z.array(
      z.strictObject({
        verb: z.enum(['activate', 'reject', 'end']),
        vmId: vmIdSchema,
        state: z.enum(['intended', 'signed', 'mined', 'refused', 'lost']),
        /** What it cost, or at most will. */
        feeWei: amountSchema,
        reason: z.string().nullable(),
        createdAt: unixSecondsSchema,
        transactionHash: hashSchema.nullable(),
      }),
    ),
  }),
})
export type Money = z.output<typeof moneySchema>

/** One row of GET /v1/money/entries: an act on the contract that moved money. */
export const moneyEntrySchema = z.strictObject({
  kind: z.enum(['bought', 'extended', 'settled', 'ended', 'collected', 'withdrawn']),
  /** Null where it belongs to no subscription. */
  tokenId: tokenIdSchema.nullable(),
  vmId: vmIdSchema.nullable(),
  /** Null where the history does not tell. */
  token: tokenSchema.nullable(),
  amount: amountSchema,
  block: z.number().int(),
  transactionHash: hashSchema,
})
export type MoneyEntry = z.output<typeof moneyEntrySchema>
/** GET /v1/money/entries: all, or those that one figure of GET /v1/money is made of. */
export const moneyFigureSchema = z.enum(['collectable', 'unsettled', 'escrowed', 'collected'])
export type MoneyFigure = z.output<typeof moneyFigureSchema>
export const moneyEntriesQuerySchema = pageQuerySchema.extend({ figure: moneyFigureSchema.optional() }).strict()
export const moneyEntriesSchema = pageOf(moneyEntrySchema)

/** GET /v1/vms/{vmId}/metrics: counters since the start of the VM, as the hypervisor tells them; null where it does not. */
export const vmMetricsSchema = z.strictObject({
  at: unixSecondsSchema,
  cpuSeconds: z.number().nullable(),
  memoryUsedMiB: z.number().nullable(),
  diskReadBytes: z.number().nullable(),
  diskWrittenBytes: z.number().nullable(),
  networkReceivedBytes: z.number().nullable(),
  networkSentBytes: z.number().nullable(),
})
export type VmMetricsView = z.output<typeof vmMetricsSchema>

/** POST /v1/issues/{code}/fixes: what one press can do about an issue. */
export const fixRequestSchema = z.strictObject({
  /** What the issues concern that the caller was shown: nothing that came up since is done unseen. */
  subjects: z.array(z.string().max(200)).min(1).max(1000),
})
export const fixSchema = z.strictObject({ done: z.string() })

/** One row of GET /v1/rentals: who rents what until when. Short, since the operator's list shows all of them at once. */
export const rentalSchema = z.strictObject({
  vmId: vmIdSchema,
  hostname: z.string(),
  state: vmStateSchema,
  planName: z.string(),
  holder: addressSchema,
  /** 0 while pending. */
  expiresAt: unixSecondsSchema,
})
export type Rental = z.output<typeof rentalSchema>
export const rentalsSchema = z.strictObject({ rentals: z.array(rentalSchema) })
