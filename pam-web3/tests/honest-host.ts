import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createGuestEndpoint, type GuestEndpoint } from '../../appliance/src/sign-in/guest-endpoint.ts'
import type { Asker, LoginRequest } from '../../appliance/src/sign-in/login-request.ts'
import { loadOrCreateSecrets, type Secrets } from '../../appliance/src/sign-in/secrets.ts'
import type { Act } from '../../appliance/src/sign-in/sign-in-text.ts'
import { createSignIn, type SignIn } from '../../appliance/src/sign-in/sign-in.ts'
import { signInStand, testContract, testInstallation, type SignInStand } from '../../appliance/src/sign-in/test-stand.ts'
import type { WalletVerifier } from '../../appliance/src/sign-in/wallet-verifier.ts'
import { guestFiles, seedFacts, type GuestFiles } from './guest-files.ts'
import type { Stand } from './stand.ts'

/** The daemon's own sign-in and login endpoint for the VM of a stand; only the chain is a twin. */
export interface HonestHost {
  readonly signIn: SignIn
  readonly host: SignInStand
  /** Of the stand's files; gone with `stop`. */
  readonly folder: string
  /** What the guest knows of it, in its first generation. */
  readonly files: GuestFiles
  /** The chain, the VM and what the guest knows of both as at the beginning. */
  reset(generation?: number): Promise<void>
  /** A request that somebody begins at another surface than the terminal. */
  begin(act: Act, asker: Asker): LoginRequest
  stop(): Promise<void>
}

/** What a test wants otherwise. */
export interface HostOptions {
  mode?: 'embedded' | 'installed'
  /** Address and forwarded port of the VM; an embedded VM by default. */
  vm?: { ipv4: string; sshPort: null }
  /** Who checks the wallets' signatures. */
  verifier?: WalletVerifier
  /** Enter waits for the approval as long as the daemon has it wait; by default it is answered in a moment. */
  patient?: boolean
}

/** @param stand whose sshd asks this host after the first `reset` */
export async function createHonestHost(stand: Stand, options: HostOptions = {}): Promise<HonestHost> {
  const { mode = 'embedded', vm = {}, verifier, patient = false } = options
  const folder = await mkdtemp(join(tmpdir(), 'freehold-honest-'))
  const secrets: Secrets = await loadOrCreateSecrets(join(folder, 'secrets'))
  const made = await signInStand(mode, 'https://host.example')
  const host = { ...made, ports: { ...made.ports, statementKey: secrets.statementKey } }
  const signIn = createSignIn(host.ports, verifier && { verifier })
  const { settled } = signIn.requests
  if (!patient) signIn.requests.settled = (request, ms, signal) => settled(request, Math.min(ms, 300), signal)
  const endpoint: GuestEndpoint = createGuestEndpoint({
    ...host.ports,
    signIn,
    master: secrets.master,
    login: secrets.login,
    onReport: () => Promise.resolve(),
  })
  const port = await endpoint.listen('127.0.0.1:0')
  const hostKey = { publicKey: stand.hostKey.split(' ').slice(0, 2).join(' '), fingerprint: stand.fingerprint }
  return {
    signIn,
    host,
    folder,
    files: guestFiles(secrets, port),
    async reset(generation = 1) {
      host.chain.set({})
      host.chain.heads = { ...host.chain.heads, stale: false }
      await host.putVm({ reported: false, generation, ...vm })
      await host.store.vms.mark({ installation: testInstallation, tokenId: 42n }, { hostKey, reportedAt: 1 })
      await seedFacts(stand, secrets, port, generation)
    },
    begin(act, asker) {
      const vm = {
        vmId: `${testInstallation}-42`,
        installation: testInstallation,
        contract: testContract,
        tokenId: 42n,
        generation: 1,
      }
      const forCertificate = act.startsWith('certificate')
      return signIn.requests.create({
        act,
        vm: act === 'session' ? null : vm,
        hostKey: forCertificate ? stand.fingerprint : null,
        user: forCertificate ? 'owner' : null,
        source: '198.51.100.7',
        behindLoopbackForward: false,
        nonce: 'ab'.repeat(16),
        asker,
      })
    },
    async stop() {
      await endpoint.close()
      await signIn.outcomesKept()
      await host.store.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
