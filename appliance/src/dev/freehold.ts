import { z } from 'zod'
import type { CliExtension } from '../cli/main.ts'
import { runCli } from '../cli/main.ts'
import { parseDuration, printJson, say } from '../cli/output.ts'
import { standingCertificate } from '../cli/standing-certificate.ts'
import { walletOf } from '../cli/wallet.ts'
import { AppError } from '../errors/app-error.ts'
import { devWallet } from './dev-wallet.ts'
import { localChainId } from './local-chain.ts'

const advancedSchema = z.strictObject({ now: z.number().int(), blockTimestamp: z.number().int() })

/** What a checkout adds to the command line: wallets of the local chain and a clock that can be moved. */
const development: CliExtension = {
  register(program, make) {
    program.option('--dev-wallet <number>', 'sign with a wallet of the local development chain (0-9)')
    const dev = program.command('dev').description('development only, on the local chain')
    dev
      .command('advance')
      .argument('<duration>', 'such as 8d')
      .description("move the daemon's clock and the chain's time forward")
      .action(async (duration: string, _, command) => {
        const context = make(command)
        const seconds = parseDuration(duration)
        const answer = await context.admin.call(advancedSchema, 'POST', '/v1/dev/advance', { body: { seconds } })
        if (context.options.json) return printJson(answer)
        say(`It is ${new Date(answer.now * 1000).toISOString()} now.`)
      })
  },
  wallets: {
    fromOptions(options, status) {
      if (options.devWallet === undefined) return Promise.resolve(undefined)
      if (status.chain.chainId !== localChainId || status.mode !== 'embedded') {
        throw new AppError({
          code: 'bad-input',
          detail: `Development wallets exist on the local chain only; this host uses network ${status.chain.chainId}.`,
          hint: 'Use --keystore FILE.',
        })
      }
      const index = Number(options.devWallet)
      if (!Number.isInteger(index) || index < 0 || index > 9) {
        throw new AppError({
          code: 'bad-input',
          detail: `"${options.devWallet}" is no development wallet.`,
          hint: 'Give a number from 0 to 9.',
        })
      }
      return Promise.resolve(walletOf(devWallet(index)))
    },
  },
}

const argv = process.argv.slice(2)
process.exitCode = (await standingCertificate(argv)) ?? (await runCli(argv, [development]))
