'use client'
import { useEffect, useRef, useState, type FormEvent } from 'react'
import { useTexts } from '../i18n/text-context.tsx'
import { Button } from '../ui/Button.tsx'
import { Card, CardTitle } from '../ui/Card.tsx'
import { ErrorBox } from '../ui/ErrorBox.tsx'
import { TextField } from '../ui/Field.tsx'
import { Notice } from '../ui/Notice.tsx'
import { usePress } from '../ui/use-press.ts'
import { setupApi } from './resources.ts'

const handOver = /^[0-9A-Za-z_-]{43}$/

/** The code of the machine's screen. It may come in the address's fragment, from the QR, and is taken off it at once (W17, W4). */
export function CodeForm({ left, onEntered }: { left: number; onEntered(): void }) {
  const { t } = useTexts()
  const [code, setCode] = useState('')
  const [wrong, setWrong] = useState<string>()
  const { busy, error, press } = usePress()

  function enter(text: string) {
    setWrong(undefined)
    press(async () => {
      const result = await setupApi.enter(text)
      if (result.entered) return onEntered()
      setWrong(result.renewed ? t('setup.code.renewed') : t('setup.code.wrong', { count: result.left }))
    })
  }

  const enterNow = useRef(enter)
  useEffect(() => {
    enterNow.current = enter
  })
  useEffect(() => {
    const fragment = location.hash.slice(1)
    const isCode = /^[0-9A-Za-z]{6}$/.test(fragment)
    if (!isCode && !handOver.test(fragment)) return
    history.replaceState(null, '', location.pathname + location.search)
    // whoever tried a new network comes over with a word for once
    if (isCode) setCode(fragment)
    else enterNow.current(fragment)
  }, [])

  function submit(event: FormEvent) {
    event.preventDefault()
    if (!busy) enter(code)
  }

  return (
    <Card className="max-w-2xl">
      <CardTitle>{t('setup.code.title')}</CardTitle>
      <form onSubmit={submit} className="mt-4 space-y-4">
        <TextField
          label={t('setup.code.label')}
          hint={t('setup.code.hint', { count: left })}
          error={wrong}
          value={code}
          onChange={(e) => setCode(e.target.value)}
          autoComplete="one-time-code"
          autoCapitalize="characters"
          spellCheck={false}
          maxLength={20}
          className="font-mono text-xl tracking-widest uppercase"
        />
        {error !== undefined && <ErrorBox error={error} focus />}
        <Button type="submit" busy={busy ? t('setup.code.checking') : undefined}>
          {t('setup.code.enter')}
        </Button>
      </form>
      <div className="mt-6">
        <Notice title={t('setup.fingerprint.title')}>
          <p>{t('setup.fingerprint.text')}</p>
          <ul className="list-disc pl-5">
            <li>{t('setup.fingerprint.chromium')}</li>
            <li>{t('setup.fingerprint.firefox')}</li>
            <li>{t('setup.fingerprint.safari')}</li>
          </ul>
        </Notice>
      </div>
    </Card>
  )
}
