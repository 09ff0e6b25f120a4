import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { createApi, type ApiServer } from './app.ts'
import { cookiesOf, setupCookie } from './identity.ts'
import type { ApiPorts } from './ports.ts'
import { registerRestore, type RestoreDoor } from './routes/restore.ts'
import { registerSetupWizard } from './routes/setup-wizard.ts'
import { loadOrCreateKey } from '../chain/provisioner-key.ts'
import { formerConfigFile } from '../backup/staged.ts'
import type { Clock } from '../clock/clock.ts'
import { eraseFile } from '../config/erase-file.ts'
import type { ConfigInput } from '../config/schema.ts'
import type { HostPort } from '../host/port.ts'
import { defaultLibvirtFolder, installedLibvirt } from '../hypervisor/libvirt/libvirtd.ts'
import { openHypervisor } from '../hypervisor/open-hypervisor.ts'
import type { Store } from '../store/store.ts'
import type { SetupService } from '../setup/setup-service.ts'
import { createNetworkTrials, type NetworkTrials } from '../setup/network-trial.ts'
import type { Certificates } from '../setup/tls/certificates.ts'
import { leadsBackHere } from '../setup/tls/leads-back-here.ts'
import { openOneTimeCode, type OneTimeCode } from '../setup/wizard/one-time-code.ts'
import { isOwnName } from '../setup/wizard/own-names.ts'
import { createSetupSessions } from '../setup/wizard/setup-sessions.ts'
import { fillFromFormer } from '../setup/wizard/former-answers.ts'
import { createWizard } from '../setup/wizard/wizard-service.ts'

/** File in `run` with the code that the screen shows. */
export const setupCodeFile = 'run/setup-code'

export interface SetupDoorOptions {
  stateFolder: string
  clock: Clock
  store: Store
  setup: Pick<SetupService, 'begin' | 'undo' | 'resume'>
  base: Partial<ConfigInput>
  version: string
  ports: ApiPorts
  /** The root helper, on an installed host. */
  host?: HostPort
  certificates?: Certificates
  /** Where the daemon can begin anew with a backup. */
  restore?: RestoreDoor
}

/** The API of a host that is not set up: the wizard, for whoever typed the code of the machine's screen. */
export interface SetupDoorServer {
  app: ApiServer
  code: OneTimeCode
  network: NetworkTrials | undefined
  /** Setup is over: the door closes, the code and all sessions are gone. */
  end(): Promise<void>
}

/** Opens the door; the caller lets it listen. A setup that was cut off goes on by itself. */
export async function openSetupDoor(options: SetupDoorOptions): Promise<SetupDoorServer> {
  const { stateFolder, clock, store, setup, base, version, ports } = options
  const code = await openOneTimeCode(join(stateFolder, setupCodeFile))
  const sessions = createSetupSessions(store.settings, clock)
  /** Of a key that is there already: looking makes none. */
  const addressOf = async (name: string): Promise<string | null> => {
    const path = join(stateFolder, 'secrets', name)
    const there = await access(path).then(
      () => true,
      () => false,
    )
    return there ? (await loadOrCreateKey(path)).address : null
  }
  const network = options.host && createNetworkTrials({ host: options.host, settings: store.settings, clock })
  const wizard = createWizard({
    clock,
    stateFolder,
    usualFolder:
      base.mode === 'installed' ? installedLibvirt.folder : defaultLibvirtFolder({ stateFolder, uid: process.getuid?.() ?? 0 }),
    ...(network !== undefined && { network }),
    ...(options.certificates !== undefined && {
      certificates: options.certificates,
      proveName: (name: string, signal: AbortSignal) => leadsBackHere(join(stateFolder, 'tls/challenges'), name, signal),
    }),
    settings: store.settings,
    tasks: store.tasks,
    live: (task) => ports.tasks.live(task),
    journal: {
      get: (key) => store.settings.get(`setup ${key}`, z.unknown()),
      put: (key, value) => store.settings.put(`setup ${key}`, value),
    },
    base: { version: 1, ...base },
    keys: async () => ({ deployer: await addressOf('deployer.key'), provisioner: await addressOf('provisioner.key') }),
    openHypervisor: (answers) => openHypervisor({ config: answers, stateFolder, clock }),
    begin: (answers, skip) => setup.begin(answers, skip),
    undo: () => setup.undo(),
    resume: () => setup.resume(),
  })
  await fillFromFormer(wizard, join(stateFolder, formerConfigFile))
  const app = await createApi(ports, {
    door: 'setup',
    setup: { isOwnName, admits: (request) => sessions.knows(cookiesOf(request).get(setupCookie)) },
    extend: [
      registerSetupWizard({ version, code, sessions, wizard }),
      ...(options.restore === undefined ? [] : [registerRestore(options.restore, 'setup')]),
    ],
  })
  void wizard.resume().catch((error: unknown) => ports.log.error({ error: String(error) }, 'setup could not go on by itself'))
  return {
    app,
    code,
    network,
    async end() {
      await app.close()
      await code.remove()
      await sessions.endAll()
    },
  }
}

/** No trace of the door stays where a power cut came before it was closed (I7). May be called where none was ever open. */
export async function clearSetupDoor(options: Pick<SetupDoorOptions, 'stateFolder' | 'store' | 'clock'>): Promise<void> {
  await eraseFile(join(options.stateFolder, setupCodeFile))
  await createSetupSessions(options.store.settings, options.clock).endAll()
}
