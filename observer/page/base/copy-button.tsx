// Copies a text, and says that it did.
import { useState } from 'preact/hooks';

export function CopyButton({ text, what }: { text: string; what: string }) {
  const [said, setSaid] = useState('Copy');
  const copy = () => {
    navigator.clipboard.writeText(text).then(
      () => setSaid('Copied'),
      () => setSaid('Not allowed'),
    );
  };
  return (
    <button type="button" class="copy" onClick={copy} onBlur={() => setSaid('Copy')} aria-label={`${said} ${what}`}>
      {said}
    </button>
  );
}
