import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createGuestEndpoint, type GuestEndpoint } from '../../appliance/src/sign-in/guest-endpoint.ts'
import type { Asker, LoginRequest } from '../../appliance/src/sign-in/login-request.ts'
import { loadOrCreateSecrets, type Secrets } from '../../appliance/src/sign-in/secrets.ts'
import type { Act } from '../../appliance/src/sign-in/sign-in-text.ts'
import { createSignIn, type SignIn } from '../../appliance/src/sign-in/sign-in.ts'
import {
  signInStand,
  testChainId,
  testContract,
  testInstallation,
  type SignInStand,
} from '../../appliance/src/sign-in/test-stand.ts'
import { vmSecret } from '../../appliance/src/vms/guest-secrets.ts'
import type { Stand } from './stand.ts'

/** The daemon's own sign-in and login endpoint for the VM of a stand; only the chain is a twin. */
export interface HonestHost {
  readonly signIn: SignIn
  readonly host: SignInStand
  /** Of the stand's files; gone with `stop`. */
  readonly folder: string
  /** The chain, the VM and what the guest knows of both as at the beginning. */
  reset(generation?: number): Promise<void>
  /** A request that somebody begins at another surface than the terminal. */
  begin(act: Act, asker: Asker): LoginRequest
  stop(): Promise<void>
}

/** @param stand whose sshd asks this host after the first `reset` */
export async function createHonestHost(stand: Stand): Promise<HonestHost> {
  const folder = await mkdtemp(join(tmpdir(), 'freehold-honest-'))
  const secrets: Secrets = await loadOrCreateSecrets(join(folder, 'secrets'))
  const made = await signInStand('embedded', 'https://host.example')
  const host = { ...made, ports: { ...made.ports, statementKey: secrets.statementKey } }
  const signIn = createSignIn(host.ports)
  // Enter is answered in a moment also where nothing was approved, not after half a minute
  const { settled } = signIn.requests
  signIn.requests.settled = (request, ms, signal) => settled(request, Math.min(ms, 300), signal)
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
    async reset(generation = 1) {
      host.chain.set({})
      host.chain.heads = { ...host.chain.heads, stale: false }
      await host.putVm({ reported: false, generation })
      await host.store.vms.mark({ installation: testInstallation, tokenId: 42n }, { hostKey, reportedAt: 1 })
      await stand.setFacts(
        {
          endpoint: `127.0.0.1:${port}`,
          spkiSha256: secrets.spkiSha256,
          statementKey: secrets.statementKeyRaw,
          chainId: testChainId,
          contract: testContract,
          tokenId: '42',
          generation,
        },
        vmSecret(secrets.master, `freehold:${testInstallation}/42/${generation}`),
      )
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
