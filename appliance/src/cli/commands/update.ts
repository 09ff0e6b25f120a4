import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { CommanderError, type Command } from 'commander'
import { AppError } from '../../errors/app-error.ts'
import { exitCodes } from '../output.ts'

const program = resolve(import.meta.dirname, '../../host/update/main.ts')
const unit = 'freehold-update.service'

/** Runs a program that speaks for itself; its exit code. */
function through(command: string, args: readonly string[]): Promise<number> {
  return new Promise((done, failed) => {
    spawn(command, args, { stdio: 'inherit' })
      .on('error', failed)
      .on('close', (code) => done(code ?? exitCodes.failed))
  })
}

/** `freehold update --check | --apply`, at the machine itself: packages belong to root. */
export function registerUpdateCommand(cli: Command): void {
  cli
    .command('update')
    .option('--check', 'say what the update repository offers')
    .option('--apply', 'install it; what does not work afterwards is taken back')
    .description('updates of this host, from the repository whose key it was built with (on the host itself, as root)')
    .action(async (own: { check?: boolean; apply?: boolean }, command: Command) => {
      if (own.check === own.apply) {
        throw new AppError({
          code: 'bad-input',
          detail: 'One of --check and --apply is needed.',
          hint: 'freehold update --check',
        })
      }
      if (process.getuid?.() !== 0) {
        throw new AppError({
          code: 'bad-input',
          detail: 'Only root installs packages.',
          hint: `sudo freehold update ${own.check === true ? '--check' : '--apply'}`,
        })
      }
      const json = command.optsWithGlobals<{ json?: boolean }>().json === true ? ['--json'] : []
      let code: number
      if (own.check === true) code = await through(process.execPath, [program, 'check', ...json])
      else if (existsSync('/run/systemd/system')) {
        // a unit: it goes on when this terminal is gone
        const started = await through('systemctl', ['start', unit])
        const told = await through(process.execPath, [program, 'last', ...json])
        code = started === 0 ? told : exitCodes.failed
      } else code = await through(process.execPath, [program, 'apply', ...json])
      // the program has said why
      if (code !== 0) throw new CommanderError(code, 'update', '')
    })
}
