import { homedir } from 'node:os'
import { join } from 'node:path'
import type { Command } from 'commander'
import { statusSchema, type Status } from '../api/schemas/status.ts'
import { AppError } from '../errors/app-error.ts'
import { createClient, type ApiClient } from './client.ts'
import { signIn } from './session.ts'
import { externalSigner } from './external-signer.ts'
import { openKeystore } from './keystore.ts'
import { oneLine } from './output.ts'
import { refuseRawKey } from './raw-key.ts'
import type { CliWallet } from './wallet.ts'

/** Options that every verb understands. */
export interface GlobalOptions {
  host: string
  state: string
  keystore?: string
  /** File of mode 0600, for jobs without a terminal. */
  passphraseFile?: string
  /** Command that signs; `address` says whose signatures. */
  signer?: string
  address?: string
  json?: boolean
  /** Set by development builds only (dev/cli.ts). */
  devWallet?: string
}

/** More ways to sign, which packages do not have. */
export interface WalletSources {
  fromOptions(options: GlobalOptions, status: Status): Promise<CliWallet | undefined>
}

/** What verbs work with; made anew for each call. */
export interface CliContext {
  options: GlobalOptions
  client: ApiClient
  /** The operator's own socket on the host: apply, rebuild, tasks. */
  admin: ApiClient
  status(): Promise<Status>
  /** The wallet that the options name, or undefined: then a browser may sign. */
  chosenWallet(): Promise<CliWallet | undefined>
  /** That wallet; throws `bad-input` naming the options if there is none. */
  wallet(): Promise<CliWallet>
  /** The wallet, with the client signed in as it. */
  signedIn(): Promise<CliWallet>
}

/** `$XDG_STATE_HOME/freehold`: where embedded mode keeps its state. */
export function defaultStateFolder(): string {
  return process.env['FREEHOLD_STATE'] ?? join(process.env['XDG_STATE_HOME'] ?? join(homedir(), '.local/state'), 'freehold')
}

export function createContext(command: Command, sources: readonly WalletSources[]): CliContext {
  const options = command.optsWithGlobals<GlobalOptions>()
  // a URL drops line breaks and blanks, so that another name would be asked than the one that was shown
  if (!URL.canParse(options.host) || /[\x00-\x20\x7f]/.test(options.host)) {
    throw new AppError({
      code: 'bad-input',
      detail: `"${oneLine(options.host)}" is no address of a host.`,
      hint: 'Write it as https://name or http://name:port.',
    })
  }
  // before any verb could show, store or send it
  if (options.keystore !== undefined) refuseRawKey('--keystore', options.keystore)
  if (options.signer !== undefined) refuseRawKey('--signer', options.signer)
  const client = createClient({ url: options.host })
  const admin = createClient({ socket: join(options.state, 'run/admin.sock') })
  let status: Promise<Status> | undefined
  let wallet: Promise<CliWallet | undefined> | undefined
  const context: CliContext = {
    options,
    client,
    admin,
    status: () => (status ??= readStatus()),
    chosenWallet: () => (wallet ??= findWallet()),
    wallet: async () => (await context.chosenWallet()) ?? nobodySigns(),
    async signedIn() {
      const found = await context.wallet()
      const { origin, now } = await context.status()
      await signIn(client, found, origin, now)
      return found
    },
  }
  /** What a host says of itself counts only under the name that the person gave: another name would get another host's signatures. */
  async function readStatus(): Promise<Status> {
    const said = await client.call(statusSchema, 'GET', '/v1/status')
    if (new URL(said.origin).origin === new URL(options.host).origin) return said
    throw new AppError({
      code: 'misdirected',
      detail: `The host at ${options.host} calls itself ${said.origin}.`,
      hint: `If that is the host you mean, use --host ${new URL(said.origin).origin}; else sign nothing.`,
    })
  }
  async function findWallet(): Promise<CliWallet | undefined> {
    for (const source of sources) {
      const found = await source.fromOptions(options, await context.status())
      if (found !== undefined) return found
    }
    if (options.keystore !== undefined && options.signer !== undefined) {
      throw new AppError({ code: 'bad-input', detail: 'Two wallets were named.', hint: 'Give --keystore or --signer, not both.' })
    }
    if (options.keystore !== undefined) return await openKeystore(options.keystore, options.passphraseFile)
    if (options.signer !== undefined) return externalSigner(options.signer, options.address)
    return undefined
  }
  function nobodySigns(): never {
    throw new AppError({
      code: 'bad-input',
      detail: 'This verb signs, and no wallet was named.',
      hint: "Add --keystore FILE (keystore v3; the passphrase is asked for), or --signer 'COMMAND' --address 0x…",
    })
  }
  return context
}
