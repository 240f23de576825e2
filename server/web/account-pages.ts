/**
 * The pages behind the links that Camp prints and mails: become the owner, accept an invitation, choose a new password.
 *
 * A link has its token in the fragment, which is sent nowhere, so it takes a script to exchange it: the one here, allowed by
 * its hash as the style sheet is. Nothing is fetched from elsewhere, no frame may hold the page, and no form is sent by the
 * browser itself. The token leaves the address bar as soon as the page has it.
 *
 * The script knows the API and no page: what a form has, where it goes and what follows stands in the form.
 */
import { createHash } from 'node:crypto';
import { PASSWORD_LENGTH_MIN } from '../accounts/passwords.ts';
import { endpoint, ok } from './endpoint.ts';
import { media } from './schemas.ts';

const STYLE = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { margin: 0 auto; max-width: 26rem; padding: 3rem 1rem; }
h1 { font-size: 1.5rem; line-height: 1.2; }
label { display: block; margin: 1rem 0; }
input { box-sizing: border-box; display: block; font: inherit; margin-top: .25rem; padding: .5rem; width: 100%; }
button { font: inherit; padding: .5rem 1rem; }
pre { overflow-wrap: anywhere; white-space: pre-wrap; }
[role=alert] { color: light-dark(#b00020, #ff8a80); min-height: 1.5em; }
[hidden] { display: none; }`;

const SCRIPT = `
const find = (selector) => document.querySelector(selector);
const form = find('form');
const token = location.hash.slice(1);
history.replaceState(null, '', location.pathname);

const say = (text) => { find('[role=alert]').textContent = text; };
const show = (selector, isShown = true) => { const found = find(selector); if (found) found.hidden = !isShown; };

async function ask(method, path, body) {
  const headers = { 'content-type': 'application/json', 'x-camp-request': '1' };
  const response = await fetch(path, body ? { method, headers, body: JSON.stringify(body) } : { method });
  const answer = JSON.parse(await response.text() || '{}');
  if (!response.ok) throw Object.assign(new Error(answer.detail || answer.title), { code: answer.code });
  return answer;
}

async function attempt(work) {
  say('');
  try {
    await work();
  } catch (error) {
    if (error.code === 'second-factor-needed') show('#code');
    say(error.message);
  }
}

async function open() {
  if (token === '') throw new Error('The link is not whole: open it as it was printed or mailed.');
  if (form.dataset.look) {
    const found = await ask('POST', form.dataset.look, { token });
    find('#what').textContent = found.workspace + ', as ' + found.role + ': ' + found.email;
    if (found.is_known) { show('#name', false); find('#name input').required = false; }
  }
  show('form');
}

async function send() {
  const fields = Object.fromEntries([...new FormData(form)].filter(([, value]) => value !== ''));
  await ask('POST', form.dataset.post, { ...fields, token });
  form.reset();
  show('form', false);
  show('#done');
}

async function makeKey() {
  const { key } = await ask('POST', '/v1/keys', { name: 'First key', role: 'owner' });
  find('#key').textContent = 'curl -H "Authorization: Bearer ' + key + '" ' + location.origin + '/v1/me';
  show('#make', false);
}

form.addEventListener('submit', (event) => { event.preventDefault(); attempt(send); });
if (find('#make')) find('#make').addEventListener('click', () => attempt(makeKey));
attempt(open);`;

const POLICY = [
  "default-src 'none'",
  `script-src '${hashOf(SCRIPT)}'`,
  `style-src '${hashOf(STYLE)}'`,
  "connect-src 'self'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
].join('; ');

function hashOf(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`;
}

const NAME =
  '<label id="name">Your name<input name="name" autocomplete="name" maxlength="200" required></label>';
const EMAIL =
  '<label>E-mail address<input name="email" type="email" autocomplete="username" required></label>';
const PASSWORD = `<label>Password, ${PASSWORD_LENGTH_MIN} characters or more<input name="password" type="password" autocomplete="new-password" required></label>`;
const CODE =
  '<label id="code" hidden>Code of your authenticator<input name="code" autocomplete="one-time-code"></label>';

export const firstRun = page({
  title: 'Become the owner of this Camp',
  post: '/v1/first-owner',
  fields: [NAME, EMAIL, PASSWORD],
  done: `<p>This Camp is yours, and you are signed in.</p>
<p>All that it can do is in its API: make a key for it here. It is shown this once.</p>
<p><button id="make" type="button">Make an API key</button></p>
<pre id="key"></pre>`,
});

export const invitation = page({
  title: 'You are invited',
  look: '/v1/invitations/open',
  post: '/v1/invitations/accept',
  fields: ['<p id="what"></p>', NAME, PASSWORD, CODE],
  done: '<p>Welcome: you are a member now, and signed in.</p>',
});

export const passwordReset = page({
  title: 'Choose a new password',
  post: '/v1/password-resets/use',
  fields: [PASSWORD, CODE],
  done: '<p>Your new password is good from now on. You are signed in here, and signed out everywhere else.</p>',
});

interface Page {
  title: string;
  /** Tells what the link is for. */
  look?: string;
  post: string;
  fields: string[];
  done: string;
}

function page(content: Page) {
  const html = htmlOf(content);
  return endpoint({
    summary: `A page: ${content.title}`,
    description: 'Behind a link whose token stands in the fragment.',
    scope: 'public',
    idempotency: 'none',
    responses: { 200: media('text/html') },
    run: async () =>
      ok(html, { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': POLICY }),
  });
}

function htmlOf({ title, look, post, fields, done }: Page): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${title}</title>
<style>${STYLE}</style>
</head>
<body>
<h1>${title}</h1>
<noscript><p>This page needs JavaScript. Without it, POST the token of the link to <code>${post}</code>: see <a href="/docs">/docs</a>.</p></noscript>
<form hidden data-post="${post}"${look === undefined ? '' : ` data-look="${look}"`}>
${fields.join('\n')}
<button>Go on</button>
</form>
<p role="alert"></p>
<div id="done" hidden>
${done}
<p><a href="/docs">What the API can do</a></p>
</div>
<script type="module">${SCRIPT}</script>
</body>
</html>
`;
}
