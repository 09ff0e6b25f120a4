import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { AppError } from '../errors/app-error.ts'
import { runOrFail } from '../hypervisor/libvirt/run.ts'
import type { Argument } from './verbs.ts'

/** The only units this helper touches, by the names its callers know. */
const unitNames = {
  daemon: 'freeholdd.service',
  web: 'freehold-web.service',
  hypervisor: 'freehold-libvirtd.service',
  caddy: 'caddy.service',
} as const satisfies Record<Argument<'restartUnit'>['unit'], string>

const announcerUnit = 'freehold-radvd.service'
/** The daemon's door first: the service is given it. */
const wasmUnits = ['freehold-wasmd.socket', 'freehold-wasmd.service']
const updateUnit = 'freehold-update.service'
const resetUnit = 'freehold-factory-reset.service'

/** Parts of the machine that a test may put elsewhere. */
export interface UnitOptions {
  /** Present while systemd is the first process. */
  systemdFolder?: string
  systemctl?: string
  machineIdFile?: string
}

/** systemctl with an allow-list; every call begins a job and does not wait for its end. */
export function createUnits(options: UnitOptions = {}) {
  async function systemctl(verb: 'restart' | 'start' | 'stop' | 'reload-or-restart', unit: string): Promise<void> {
    if (!existsSync(options.systemdFolder ?? '/run/systemd/system')) {
      throw new AppError({
        code: 'host-refused',
        detail: `This machine is not run by systemd, so ${unit} cannot be ${verb}ed.`,
        hint: 'Restart the program by hand.',
      })
    }
    await runOrFail(`${verb} ${unit}`, options.systemctl ?? 'systemctl', ['--no-block', '--no-ask-password', verb, unit])
  }
  return {
    restart: (unit: keyof typeof unitNames) => systemctl('restart', unitNames[unit]),
    /** The announcer reads its file again. Without systemd whoever runs it watches the file. */
    async announcerChanged(): Promise<void> {
      if (existsSync(options.systemdFolder ?? '/run/systemd/system')) await systemctl('reload-or-restart', announcerUnit)
    },
    /** On or off. Without systemd whoever runs it looks for the file. */
    async wasm(enabled: boolean): Promise<void> {
      if (!existsSync(options.systemdFolder ?? '/run/systemd/system')) return
      for (const unit of enabled ? wasmUnits : wasmUnits.toReversed()) await systemctl(enabled ? 'start' : 'stop', unit)
    },
    update: () => systemctl('start', updateUnit),
    /** Refuses unless the caller names this very machine. */
    async factoryReset(machine: string): Promise<void> {
      const own = (await readFile(options.machineIdFile ?? '/etc/machine-id', 'utf8')).trim()
      if (machine !== own) throw new AppError({ code: 'host-refused', detail: 'This is another machine.' })
      await systemctl('start', resetUnit)
    },
  }
}
