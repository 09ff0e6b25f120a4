import { vmIdOf } from '../../chain/installation.ts'
import { zeroAddress } from '../../chain/subscription.ts'
import type { StoredChainEvent } from '../../store/history.ts'
import type { Store } from '../../store/store.ts'
import type { TaskRecord } from '../../steps/step.ts'
import {
  blockAt,
  day,
  hashOf,
  inventedChainId,
  inventedInstallation as installation,
  inventedRoles,
  inventedToken,
  seeded,
  subscriberAddress,
  type InventedVm,
} from './invented-subscriptions.ts'

/** Sets the time at which what follows is written down. */
export type At = (moment: number) => void

/** Of so many VMs, the newest, tasks and audit trail are written, too. */
const toldInFull = 500
/** Passes up to this one have ended; those that stand come after. */
const lastEnded = 140

/** A year of purchases, extensions, ends and collections, with tasks, fees and the audit trail that belong to them. */
export async function writeHistory(store: Store, vms: readonly InventedVm[], now: number, at: At): Promise<void> {
  const next = seeded(365)
  const events: StoredChainEvent[] = []
  function tell(moment: number, name: string, tokenId: bigint | null, args: Record<string, unknown>): string {
    const n = events.length
    const transactionHash = hashOf(2, n)
    const block = blockAt(moment)
    events.push({
      installation,
      blockNumber: block,
      logIndex: n,
      blockHash: hashOf(1, block),
      name,
      tokenId,
      args,
      transactionHash,
    })
    return transactionHash
  }

  /** A transaction of the host's own key, mined at `moment`. */
  async function pay(
    verb: 'activate' | 'end',
    tokenId: bigint,
    moment: number,
    minedHash: string,
    feeSpent: bigint,
  ): Promise<void> {
    at(moment)
    await store.transactions.put({
      id: `${verb}-${tokenId}`,
      account: `${inventedChainId}:${inventedRoles.provisioner}`,
      installation,
      verb,
      tokenId,
      nonce: Number(tokenId),
      forms: [],
      state: 'mined',
      feeSpent,
      reason: null,
      createdAt: moment - 15,
      sentAt: moment - 14,
      minedBlock: blockAt(moment),
      minedHash,
    })
  }

  // those that have ended: one every two and a half days
  for (let i = 1; i <= lastEnded; i++) {
    const bought = now - 365 * day + i * 2.4 * day + next(day)
    const token = next(4) === 0 ? inventedToken : zeroAddress
    const unit = token === zeroAddress ? 10n ** 13n : 3000n
    const length = 7 + next(24)
    const paid = unit * BigInt(30 + next(300)) * BigInt(length)
    const buyer = subscriberAddress(next(40))
    const tokenId = BigInt(i)
    tell(bought, 'Bought', tokenId, { tokenId, planId: 0n, buyer, token, paid, duration: BigInt(length * day) })
    tell(bought + 60, 'Activated', tokenId, { tokenId, expiresAt: BigInt(Math.floor(bought + length * day)) })
    const cancelled = next(3) === 0
    const earned = cancelled ? (paid * 6n) / 10n : paid
    tell(bought + length * day * (cancelled ? 0.6 : 1), 'Settled', tokenId, { tokenId, token, amount: earned })
    // of the last ones the host's key has paid for the end, within this day
    const endedAt =
      i > lastEnded - 2 ? now - (lastEnded - i) * 15 * 3600 - 5 * 3600 : bought + length * day * (cancelled ? 0.6 : 1) + 12
    const ended = tell(endedAt, 'Ended', tokenId, {
      tokenId,
      holder: buyer,
      reason: cancelled ? 2n : 3n,
      refunded: paid - earned,
    })
    if (i > lastEnded - 2) await pay('end', tokenId, endedAt, ended, 10n ** 12n * BigInt(40 + i))
    if (cancelled) tell(bought + length * day, 'Withdrawn', null, { token, from: buyer, to: buyer, amount: paid - earned })
  }
  for (let month = 1; month <= 12; month++) {
    for (const [token, amount] of [
      [zeroAddress, 10n ** 15n * BigInt(60 + next(90))],
      [inventedToken, 1_000_000n * BigInt(120 + next(400))],
    ] as const) {
      tell(now - month * 30 * day, 'Collected', null, { token, treasury: inventedRoles.treasury, amount })
    }
  }
  // what is written first is shown last; of a very large host the newest tell enough
  const byTime = vms.toSorted((a, b) => a.subscription.boughtAt - b.subscription.boughtAt)
  for (const [i, { subscription: s }] of byTime.entries()) {
    const { tokenId, token, paid, holder } = s
    const hash = tell(s.boughtAt, 'Bought', tokenId, {
      tokenId,
      planId: BigInt(s.planId),
      buyer: holder,
      token,
      paid,
      duration: BigInt(s.seconds),
    })
    if (i < byTime.length - toldInFull) continue
    at(s.boughtAt)
    await store.audit.append({ who: holder, what: 'buy', target: vmIdOf(s), result: 'seen', transactionHash: hash })
    if (s.activatedAt === 0) continue
    const delivered = tell(s.activatedAt, 'Activated', tokenId, { tokenId, expiresAt: BigInt(s.expiresAt) })
    at(s.activatedAt)
    await store.audit.append({
      who: 'host',
      what: 'activate',
      target: vmIdOf(s),
      result: 'delivered',
      transactionHash: delivered,
    })
    await pay('activate', tokenId, s.activatedAt, delivered, 10n ** 12n * BigInt(70 + next(60)))
    await writeTask(store, at, {
      kind: 'create',
      subject: vmIdOf(s),
      begun: s.boughtAt + 12,
      ended: s.activatedAt,
      steps: ['disk', 'seed', 'start', 'report', 'activate'],
      lines: [
        'the disk stands upon template 5eed5eed',
        'the guest has begun',
        'the guest has reported itself; its sshd answers',
        'delivered on the network',
      ],
    })
  }
  const blocks = events.map((e) => e.blockNumber)
  await store.history.replaceRange(installation, Math.min(...blocks), Math.max(...blocks), events)

  await writeTask(store, at, {
    kind: 'snapshot',
    subject: vmIdOf({ installation, tokenId: 160n }),
    begun: now - 7200,
    ended: now - 7192,
    steps: ['snapshot'],
    lines: ['the storage has less than 10 % free space'],
    error: {
      code: 'storage-full',
      title: 'The storage is full',
      detail: 'Less than 10 % of the storage is free, so no snapshot is taken.',
      hint: 'Free space on it, or make it larger; then try again.',
    },
  })
  for (let i = 59; i >= 0; i--) {
    at(now - i * 5 * 3600 - next(3600))
    await store.audit.append({
      who: subscriberAddress(next(23)),
      what: ['sign in', 'shell', 'vm reboot', 'vm snapshot', 'certificate'][next(5)] ?? 'sign in',
      target: vmIdOf({ installation, tokenId: BigInt(150 + next(30)) }),
      result: next(9) === 0 ? 'refused: wrong wallet' : 'done',
      transactionHash: null,
    })
  }
}

interface Told {
  kind: string
  subject: string
  begun: number
  /** Null while it runs. */
  ended: number | null
  steps: readonly string[]
  lines: readonly string[]
  error?: NonNullable<TaskRecord['error']>
}

/** Writes one task with its log as the runner would have. */
export async function writeTask(store: Pick<Store, 'tasks'>, at: At, told: Told): Promise<TaskRecord> {
  const { kind, subject, begun, ended, steps, lines, error = null } = told
  const length = Math.max(1, Math.floor(((ended ?? begun + 20) - begun) / steps.length))
  const open = ended === null
  const task: TaskRecord = {
    taskId: `${kind}-${subject}-${begun}`,
    kind,
    subject,
    state: open ? 'running' : error === null ? 'done' : 'failed',
    steps: steps.map((name, i) => ({
      name,
      state:
        open && i === 1 ? 'running' : open && i > 1 ? 'waiting' : error !== null && i === steps.length - 1 ? 'failed' : 'done',
      startedAt: open && i > 1 ? null : begun + i * length,
      endedAt: open && i >= 1 ? null : begun + (i + 1) * length,
      phase: open && i === 1 ? 'booting' : null,
    })),
    error,
    attempt: 1,
    createdAt: begun,
    endedAt: ended,
  }
  at(begun)
  await store.tasks.put(task)
  for (const [i, line] of lines.entries()) {
    at(begun + (i + 1) * length)
    await store.tasks.appendLog(task.taskId, line)
  }
  return task
}
