'use client'
import { Dialog } from '@base-ui/react/dialog'
import { useState } from 'react'
import { useTexts } from '../i18n/text-context.tsx'
import { Button } from './Button.tsx'
import { TextField } from './Field.tsx'
import { pageActions, type PageAction } from './page-actions.ts'

/** More than these are not shown at a time: one types another letter. */
const most = 8

/** The commands of the page, found by their names, and the keys there are (X23). What is off says why. */
export function Commands({ byKey, onByKey, onClose }: { byKey: boolean; onByKey(on: boolean): void; onClose(): void }) {
  const { t } = useTexts()
  const [actions] = useState(pageActions)
  const [typed, setTyped] = useState('')
  const words = typed.toLowerCase().split(/\s+/).filter(Boolean)
  const fitting = actions.filter(({ name }) => words.every((word) => name.toLowerCase().includes(word)))
  const choose = (action: PageAction) => {
    onClose()
    // once the dialog has given the focus back
    setTimeout(action.press, 0)
  }
  return (
    <Dialog.Root open onOpenChange={(open) => !open && onClose()}>
      <Dialog.Portal>
        <Dialog.Backdrop className="fixed inset-0 bg-black/50" />
        <Dialog.Popup className="fixed inset-x-0 top-4 mx-auto max-h-[calc(100dvh-2rem)] w-[calc(100%-2rem)] max-w-lg space-y-5 overflow-y-auto rounded-2xl border border-line bg-card p-5 text-ink sm:top-20 sm:p-7">
          <Dialog.Title className="text-xl font-semibold tracking-tight">{t('commands.title')}</Dialog.Title>
          <form
            noValidate
            className="space-y-3"
            onSubmit={(event) => {
              event.preventDefault()
              const first = fitting.find(({ reason }) => reason === undefined)
              if (first !== undefined) choose(first)
            }}
          >
            <TextField
              label={t('commands.find')}
              hint={t('commands.hint')}
              autoComplete="off"
              spellCheck={false}
              value={typed}
              onChange={(e) => setTyped(e.target.value)}
            />
            <p role="status" className="text-sm text-soft">
              {t('commands.count', { count: fitting.length })}
            </p>
            <ul className="space-y-2">
              {fitting.slice(0, most).map((action) => (
                <li key={action.name}>
                  <Button look="secondary" wide onClick={() => choose(action)} disabledReason={action.reason}>
                    {action.name}
                  </Button>
                </li>
              ))}
            </ul>
          </form>
          <section aria-labelledby="commands-keys" className="space-y-2">
            <h3 id="commands-keys" className="font-semibold">
              {t('commands.keys')}
            </h3>
            <dl className="grid grid-cols-[auto_1fr] gap-x-4 gap-y-1 text-sm">
              {(['open', 'help', 'close', 'terminal'] as const).map((key) => (
                <div key={key} className="contents">
                  <dt>
                    <kbd className="font-mono">{t(`commands.key.${key}`)}</kbd>
                  </dt>
                  <dd className="text-soft">{t(`commands.does.${key}`)}</dd>
                </div>
              ))}
            </dl>
            <label className="flex min-h-11 items-center gap-3">
              <input
                type="checkbox"
                checked={byKey}
                onChange={(e) => onByKey(e.target.checked)}
                className="size-5 shrink-0 accent-brand"
              />
              {t('commands.byKey')}
            </label>
          </section>
          <Button look="secondary" onClick={onClose}>
            {t('commands.close')}
          </Button>
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  )
}
