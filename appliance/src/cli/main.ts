import { Command, CommanderError } from 'commander'
import { createContext, defaultStateFolder, type CliContext, type WalletSources } from './context.ts'
import { registerBackupCommands } from './commands/backup.ts'
import { registerNetworkCommands } from './commands/network.ts'
import { registerProxmoxCommands } from './commands/proxmox.ts'
import { registerReadCommands } from './commands/read.ts'
import { registerScreenCommand } from './commands/screen.ts'
import { registerSetupCommands } from './commands/setup.ts'
import { registerSshCommands } from './commands/ssh.ts'
import { registerUpdateCommand } from './commands/update.ts'
import { registerVerifyCommands } from './commands/verify.ts'
import { registerWalletCommands } from './commands/wallet.ts'
import { registerWasmCommands } from './commands/wasm.ts'
import { exitCodes, oneLine, printError } from './output.ts'

/** What a development build adds; packages have none. */
export interface CliExtension {
  register(program: Command, make: (command: Command) => CliContext): void
  wallets: WalletSources
}

/** Runs one command line and returns its exit code; results on stdout, all else on stderr. */
export async function runCli(argv: readonly string[], extensions: readonly CliExtension[] = []): Promise<number> {
  const program = new Command('freehold')
    .description('Freehold: rent VMs to wallets. Pay on chain, log in with a signature.')
    .option('--host <url>', 'the host to speak to', process.env['FREEHOLD_HOST'] ?? 'http://localhost:8080')
    .option('--state <folder>', 'state folder of the host, for verbs on the host itself', defaultStateFolder())
    .option('--keystore <file>', 'keystore v3 file that signs; the passphrase is asked for at the terminal')
    .option('--passphrase-file <file>', 'file of mode 0600 with the passphrase, for jobs without a terminal')
    .option('--signer <command>', 'command that signs: gets the text on standard input, prints the signature; no shell reads it')
    .option('--address <address>', 'whose signatures --signer gives')
    .option('--json', 'print the result as JSON on stdout')
    .addHelpText('after', '\nExit codes: 0 done, 1 failed, 2 bad input, 3 host unreachable, 4 denied, 130 interrupted')
    .exitOverride()
    .configureOutput({ writeErr: (text) => process.stderr.write(withoutWords(text, argv)) })
    .showSuggestionAfterError()
  const make = (command: Command) =>
    createContext(
      command,
      extensions.map((e) => e.wallets),
    )
  registerReadCommands(program, make)
  registerWalletCommands(program, make)
  registerSetupCommands(program, make)
  registerBackupCommands(program, make)
  registerScreenCommand(program, make)
  registerSshCommands(program, make)
  registerVerifyCommands(program, make)
  registerNetworkCommands(program, make)
  registerProxmoxCommands(program, make)
  registerWasmCommands(program, make)
  registerUpdateCommand(program)
  for (const extension of extensions) extension.register(program, make)
  try {
    await program.parseAsync([...argv], { from: 'user' })
    return exitCodes.done
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.badInput
    return printError(error)
  }
}

/** What commander repeats of the line it was given does nothing to a terminal, and holds no key. */
function withoutWords(text: string, argv: readonly string[]): string {
  const still = argv.reduce((all, word) => all.replaceAll(word, oneLine(word)), text)
  return still.replaceAll(/(?:0x)?[0-9a-f]{64,}/gi, '…')
}
