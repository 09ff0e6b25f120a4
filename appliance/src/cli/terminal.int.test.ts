import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, suite, test } from 'node:test'
import { promisify } from 'node:util'
import { type IPty, spawn } from '@lydell/node-pty'

const times = 20
const typed = 'four words of mine'

suite('a question at the terminal', () => {
  const open: IPty[] = []
  let folder = ''
  after(async () => {
    for (const pty of open) pty.kill('SIGKILL')
    if (folder !== '') await rm(folder, { recursive: true, force: true })
  })

  const folderOf = async () => (folder ||= await mkdtemp(join(tmpdir(), 'fh-terminal-')))
  function asked(
    body: string,
    first = '',
  ): { pty: IPty; screen: () => string; exited: Promise<{ exitCode: number; signal?: number }> } {
    const url = new URL(`file://${resolve(import.meta.dirname, 'terminal.ts')}`).href
    const pty = spawn(
      process.execPath,
      ['-e', `${first} ; import(${JSON.stringify(url)}).then(async ({ askTerminal }) => { ${body} })`],
      {
        cols: 200,
        rows: 24,
        name: 'xterm',
      },
    )
    open.push(pty)
    let screen = ''
    pty.onData((data) => (screen += data))
    const exited = new Promise<{ exitCode: number; signal?: number }>((done) => pty.onExit(done))
    return { pty, screen: () => screen, exited }
  }

  test(`never shows what is typed the instant the question's first letter shows, ${times} times`, async () => {
    const typedNow = join(await folderOf(), 'typed-')
    // The process stands still as soon as the question is out, until the answer is typed: that is the slowest machine there is.
    const { pty, screen, exited } = asked(
      `
      for (let round = 0; round < ${times}; round++) {
        const line = await askTerminal('#' + round + ' Passphrase? ', { hidden: true, withoutTerminal: '' })
        console.log(line === ${JSON.stringify(typed)} ? 'taken' : 'garbled')
      }`,
      `
      const fs = require('node:fs')
      const write = fs.writeSync
      fs.writeSync = (fd, text) => {
        const written = write(fd, text)
        const round = /#(\\d+)/.exec(text)?.[1]
        while (round !== undefined && !fs.existsSync(${JSON.stringify(typedNow)} + round));
        return written
      }
      require('node:module').syncBuiltinESMExports()
      `,
    )
    let round = 0
    pty.onData(() => {
      if (!screen().includes(`#${round}`)) return
      pty.write(`${typed}\r`)
      writeFileSync(`${typedNow}${round++}`, '')
    })
    assert.equal((await exited).exitCode, 0, screen())
    assert.equal(screen().split('taken').length - 1, times, screen())
    assert.ok(!screen().includes('four'), `what is hidden was shown: ${screen()}`)
  })

  test('shows once what is not hidden, and mends a slip of the finger', async () => {
    const { pty, screen, exited } = asked(
      `console.log('got:' + await askTerminal('#Reply code: ', { hidden: false, withoutTerminal: '' }))`,
    )
    pty.onData((data) => {
      if (data.includes('#')) pty.write('1245\x7f\x7f34\r')
    })
    assert.equal((await exited).exitCode, 0, screen())
    assert.match(screen(), /got:1234/)
    assert.equal(screen().split('1245').length - 1, 1, screen())
  })

  for (const ending of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'exit'] as const) {
    test(`gives the terminal its echo back when it ends by ${ending}`, async () => {
      const state = join(await folderOf(), ending)
      // The shell keeps the terminal open when our process goes, as a person's shell does, and reads its state then.
      const url = new URL(`file://${resolve(import.meta.dirname, 'terminal.ts')}`).href
      const child = `import(${JSON.stringify(url)}).then(({ askTerminal }) => {
        ${ending === 'exit' ? `setInterval(() => require('node:fs').existsSync(process.argv[1]) && process.exit(3), 20)` : ''}
        return askTerminal('#' + process.pid + '#', { hidden: true, withoutTerminal: '' }) })`
      const pty = spawn(
        '/bin/sh',
        [
          '-c',
          'trap : INT QUIT HUP TERM; stty -a </dev/tty >"$3.before"; "$1" -e "$2" "$3.go"; echo $? >"$3.code"; stty -a </dev/tty >"$3"',
          'sh',
          process.execPath,
          child,
          state,
        ],
        { cols: 200, rows: 24, name: 'xterm' },
      )
      open.push(pty)
      let screen = ''
      const pid = Promise.withResolvers<number>()
      pty.onData((data) => {
        screen += data
        const shown = /#(\d+)#/.exec(screen)?.[1]
        if (shown !== undefined) pid.resolve(Number(shown))
      })
      const exited = new Promise<void>((done) => pty.onExit(() => done()))
      const asking = await pid.promise
      const { stdout: during } = await promisify(execFile)('stty', [
        '-a',
        '-F',
        ttyOf(await readFile(`/proc/${asking}/stat`, 'utf8')),
      ])
      assert.match(during, /(^|\s)-echo\s/m, 'the echo is off while it asks')
      if (ending === 'exit') await promisify(execFile)('touch', [`${state}.go`])
      else process.kill(asking, ending)
      await exited
      assert.equal(await readFile(state, 'utf8'), await readFile(`${state}.before`, 'utf8'), screen)
      const code = Number(await readFile(`${state}.code`, 'utf8'))
      assert.equal(code, { SIGINT: 130, SIGTERM: 143, SIGHUP: 129, SIGQUIT: 131, exit: 3 }[ending], screen)
    })
  }
})

/** The terminal a process sits at, of its `/proc/<pid>/stat` (proc(5), field 7: major 136 and up are pseudo terminals). */
function ttyOf(stat: string): string {
  const device = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[4])
  return `/dev/pts/${(device & 0xff) | ((device >> 12) & 0xfff00)}`
}
