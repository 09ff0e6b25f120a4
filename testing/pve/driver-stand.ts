import { systemClock } from '@freehold/appliance/clock/clock'
import { parseAuthority } from '@freehold/appliance/hypervisor/proxmox/endpoint'
import { planEnrolment, runEnrolment, type EnrolAnswers } from '@freehold/appliance/hypervisor/proxmox/enrol/enrol'
import { bridge, network, poolId, storageId } from '@freehold/appliance/hypervisor/proxmox/formats'
import { openClient, type ApiToken, type Way } from '@freehold/appliance/hypervisor/proxmox/open-client'
import type { ProxmoxOptions } from '@freehold/appliance/hypervisor/proxmox/options'
import { createProxmoxHypervisor, type ProxmoxHypervisor } from '@freehold/appliance/hypervisor/proxmox/proxmox-hypervisor'
import { openStand, type Stand, type StandOptions } from './stand.ts'

/** A stand-in that Freehold was enrolled on, and a driver for it. */
export interface DriverStand extends Stand {
  hypervisor: ProxmoxHypervisor
  options: ProxmoxOptions
  token: ApiToken
  /** Another driver with the same journal, as a daemon that starts again would have it. */
  again(): ProxmoxHypervisor
}

export const enrolAnswers: EnrolAnswers = {
  token: 'freehold@pve!appliance',
  pool: poolId.parse('freehold'),
  diskStorage: storageId.parse('local'),
  mediaStorage: storageId.parse('freehold-media'),
  mediaFolder: '/var/lib/freehold-media',
  bridge: bridge.parse('vmbr0'),
  vmids: { from: 10_000, to: 10_999 },
  operatorNetworks: [network.parse('192.0.2.0/24')],
}

/** Addresses of all nodes of a stand, each with its pin. */
export function waysTo(stand: Stand): Way[] {
  return [...stand.servers].map(([node, server]) => ({
    endpoint: { host: '127.0.0.1', port: server.port },
    pin: parseAuthority(stand.authority.pem, node),
  }))
}

/** Enrols with the privileged token, then forgets it. */
export async function enrol(stand: Stand): Promise<ApiToken> {
  const privileged = openClient(waysTo(stand), stand.rootToken, systemClock)
  try {
    return await runEnrolment(await planEnrolment(privileged, enrolAnswers), () => undefined)
  } finally {
    privileged.close()
  }
}

export function optionsFor(stand: Stand, token: ApiToken): ProxmoxOptions {
  return { ...driverOptions(waysTo(stand), token), pace: stand.world.pace === 0 ? 0.005 : stand.world.pace }
}

/** Options of a driver that was enrolled by `enrol`. */
export function driverOptions(ways: readonly Way[], token: ApiToken): ProxmoxOptions {
  const { pool, diskStorage, mediaStorage, bridge: guests, vmids } = enrolAnswers
  return {
    ways,
    token,
    clock: systemClock,
    pool,
    diskStorage,
    mediaStorage,
    bridge: guests,
    vmids,
    loginEndpoint: '10.77.0.1:7443',
    guestNetworks: [network.parse('10.77.0.0/16')],
    firewall: true,
  }
}

/** A stand with a driver, at fake speed unless told otherwise. */
export async function openDriverStand(more: StandOptions & { journalFile?: string } = {}): Promise<DriverStand> {
  const stand = await openStand(more)
  const token = await enrol(stand)
  const options = { ...optionsFor(stand, token), ...(more.journalFile !== undefined && { journalFile: more.journalFile }) }
  const opened = new Set<ProxmoxHypervisor>()
  const again = () => {
    const driver = createProxmoxHypervisor(options)
    opened.add(driver)
    return driver
  }
  return {
    ...stand,
    options,
    token,
    again,
    hypervisor: again(),
    async close() {
      for (const driver of opened) await driver.close()
      await stand.close()
    },
  }
}
