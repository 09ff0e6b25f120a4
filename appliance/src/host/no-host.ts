import { AppError } from '../errors/app-error.ts'
import type { HostPort } from './port.ts'

/** Embedded mode: there is no helper and nothing is isolated. What is a statement about taps is none here; the rest is refused. */
export const noHost: HostPort = {
  isolates: false,
  cutConnections: () => Promise.resolve(),
  setTaps: () => refuse('taps'),
  setFirewall: () => refuse('a firewall'),
  tryNetwork: () => refuse('network settings'),
  confirmNetwork: () => refuse('network settings'),
  tunnelKey: () => refuse('tunnels'),
  setTunnels: () => refuse('tunnels'),
  announce: () => refuse('tunnels'),
  restartUnit: () => refuse('units'),
  setWasm: () => refuse('units'),
  startUpdate: () => refuse('updates'),
  factoryReset: () => refuse('a factory reset'),
}

function refuse(what: string): Promise<never> {
  return Promise.reject(
    new AppError({ code: 'host-helper-down', detail: `Embedded mode has no ${what}.`, hint: 'Install Freehold on a machine.' }),
  )
}
