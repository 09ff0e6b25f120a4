import { join } from 'node:path'
import type { Clock } from '../../clock/clock.ts'
import { AppError } from '../../errors/app-error.ts'
import { storages, storageStatus } from '../../hypervisor/proxmox/answers.ts'
import type { PveClient } from '../../hypervisor/proxmox/client.ts'
import { enrolOnce, parsePrivilegedToken, requireEnrolled } from '../../hypervisor/proxmox/enrol/enrol-once.ts'
import { foreignIds, requireBridge } from '../../hypervisor/proxmox/look.ts'
import { openClient } from '../../hypervisor/proxmox/open-client.ts'
import { placesOf, readTokenSecret, waysOf, type ProxmoxAnswer } from '../../hypervisor/proxmox/settings.ts'
import { explained } from '../../hypervisor/proxmox/server.ts'
import type { DiskPlace } from './disk-places.ts'

/** What a page asks about enrolment. The privileged token is used for this one request and kept nowhere. */
export interface EnrolmentRequest {
  hypervisor: ProxmoxAnswer
  /** `user@realm!name=secret` */
  privilegedToken: string
  operatorNetworks: readonly string[]
}

/** One line of the plan. */
export interface EnrolmentLine {
  what: string
  /** Nothing is to be done for it. */
  done: boolean
}

/** Where the token's secret lies: the answers name this file, whatever a browser says. */
export function tokenFileOf(stateFolder: string): string {
  return join(stateFolder, 'secrets/proxmox-token')
}

/** Storages of a server that may hold disks, with their room, as the privileged token sees them. Changes nothing. */
export async function storagesOfServer(request: EnrolmentRequest, clock: Clock): Promise<DiskPlace[]> {
  const client = openClient(await waysOf(request.hypervisor), parsePrivilegedToken(request.privilegedToken), clock)
  try {
    return await explained('list the storages', async () => {
      const found: DiskPlace[] = []
      const node = request.hypervisor.nodes[0]?.name.split('.')[0] ?? ''
      for (const { storage, type, content } of await client.get('/storage', storages)) {
        if (content !== undefined && !content.split(',').includes('images')) continue
        const room = await client
          .get(`/nodes/${encodeURIComponent(node)}/storage/${encodeURIComponent(storage)}/status`, storageStatus)
          .catch(() => undefined)
        found.push({
          place: storage,
          kind: type,
          totalBytes: room?.total ?? 0,
          freeBytes: room?.avail ?? 0,
          holds: (content ?? '').split(',').filter((word) => word !== ''),
          refused: room === undefined ? 'unreadable' : null,
        })
      }
      return found
    })
  } finally {
    client.close()
  }
}

/**
 * Looks with the privileged token and says what enrolment would do; does it if `go`. The new token's secret goes into its file,
 * the privileged one nowhere. Throws what `enrolOnce` throws.
 */
export async function enrolByPage(
  request: EnrolmentRequest,
  options: { stateFolder: string; clock: Clock; go: boolean },
): Promise<EnrolmentLine[]> {
  const { stateFolder, clock, go } = options
  const answer = { ...request.hypervisor, tokenFile: tokenFileOf(stateFolder) }
  const given = {
    privileged: parsePrivilegedToken(request.privilegedToken),
    operatorNetworks: request.operatorNetworks,
    mediaFolder: request.hypervisor.enrolment?.mediaFolder ?? '/var/lib/freehold-media',
    clock,
  }
  const { plan } = await enrolOnce(
    answer,
    given,
    () => go,
    () => undefined,
  )
  if (go) await requireEnrolled(answer, clock)
  return plan.steps.map(({ what, done }) => ({ what, done: done || go }))
}

/** What live checks ask of a server with the host's own token. */
export interface ProxmoxSight {
  /** On how many nodes the bridge is. Throws `bridge-missing` naming those that lack it. */
  bridge(answer: ProxmoxAnswer): Promise<{ nodes: number }>
  /** Ids of the range that VMs of somebody else have; `looked`: how many were asked for, from its beginning. */
  foreignIds(answer: ProxmoxAnswer, signal: AbortSignal): Promise<{ looked: number; foreign: number[] }>
}

/** Looks at the server that the answers name. Nothing of it changes the server. */
export function proxmoxSight(clock: Clock): ProxmoxSight {
  async function ask<T>(answer: ProxmoxAnswer, action: string, work: (client: PveClient) => Promise<T>): Promise<T> {
    const secret = await readTokenSecret(answer.tokenFile)
    const client = openClient(await waysOf(answer), { id: answer.token, secret }, clock)
    try {
      return await explained(action, () => work(client))
    } finally {
      client.close()
    }
  }
  return {
    async bridge(answer) {
      try {
        return await ask(answer, 'look for the bridge', (client) => requireBridge(client, placesOf(answer).bridge))
      } catch (error) {
        if (!(error instanceof AppError) || error.code !== 'bridge-missing') throw error
        const hint = 'Make it there, or name another one. If it is there, enrol again: a token sees only bridges that it may use.'
        throw new AppError({ code: error.code, detail: error.detail, hint, cause: error })
      }
    },
    foreignIds: (answer, signal) => ask(answer, 'look for VMs', (client) => foreignIds(client, answer.vmids, signal)),
  }
}
