// The player of the pages `watch` and `iframe`. All that it asks for is relative to the page, and so carries its token.

const HLS_TYPE = 'application/vnd.apple.mpegurl';
const OWN_PATH = /^[A-Za-z0-9_~-][A-Za-z0-9._~-]*(\/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*$/;
const STEP = 5;

const video = document.querySelector('video');
const stage = document.querySelector('.stage');
const playButton = document.querySelector('.play');
const captionsButton = document.querySelector('.captions');
const refusal = document.querySelector('.refusal');
const options = readOptions(new URLSearchParams(location.search));

let begin = () => {};
let stop = () => {};

setUpVideo();
setUpPlayButton();
setUpCaptions();
setUpKeys();
await start();

/** The query parameters that Cloudflare Stream's player knows and this one does too. */
function readOptions(query) {
  const flag = (name, usual) => (query.has(name) ? !['false', '0'].includes(query.get(name)) : usual);
  const poster = query.get('poster') ?? '';
  const preload = query.get('preload');
  return {
    autoplay: flag('autoplay', false),
    controls: flag('controls', true),
    loop: flag('loop', false),
    muted: flag('muted', false),
    poster: OWN_PATH.test(poster) ? poster : 'thumbnails/thumbnail.jpg',
    preload: ['none', 'metadata', 'auto'].includes(preload) ? preload : 'metadata',
    startTime: seconds(query.get('startTime') ?? ''),
  };
}

/** `90`, `1m30s` or `1h2m3s`; the beginning for anything else. */
function seconds(text) {
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text);
  const [, hours = 0, minutes = 0, rest = 0] = text.match(/^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$/) ?? [];
  return Number(hours) * 3600 + Number(minutes) * 60 + Number(rest);
}

/** The address of a file of the video. Where the token is in the page's query, it is handed on. */
function own(path) {
  const name = document.body.dataset.tokenParameter;
  const pair = location.search.slice(1).split('&').find((pair) => name && pair.startsWith(`${name}=`));
  return pair ? `${path}?${pair}` : path;
}

/**
 * Throws for what is not of this video. The gate lets its own pages have every video, as it does not learn which video
 * a page is for; so a manifest must not lead a page to one that other sites may not show.
 */
function requireOwn(url) {
  const folder = new URL('.', location.href).href;
  if (!new URL(url, location.href).href.startsWith(folder)) throw new Error('The manifest names a file that is not of this video.');
}

function setUpVideo() {
  Object.assign(video, { controls: options.controls, loop: options.loop, muted: options.muted, poster: own(options.poster) });
  const show = () => stage.classList.toggle('playing', !video.paused);
  for (const event of ['play', 'pause', 'ended']) video.addEventListener(event, show);
  video.addEventListener('play', () => begin(), { once: true });
  if (!options.controls) video.addEventListener('click', toggle);
}

function setUpPlayButton() {
  playButton.hidden = options.autoplay;
  playButton.addEventListener('click', () => {
    play();
    video.focus();
  });
  video.addEventListener('play', () => { playButton.hidden = true; });
}

/** Plays; where the browser wants to be asked by the viewer first, the button stays. */
function play() {
  video.play().catch((error) => { if (error.name === 'NotAllowedError') playButton.hidden = false; });
}

function toggle() {
  if (video.paused) play();
  else video.pause();
}

/** A button that goes from one language to the next, and off. The browser's own menu does the same. */
function setUpCaptions() {
  const tracks = () => [...video.textTracks].filter((track) => ['captions', 'subtitles'].includes(track.kind));
  const shown = () => tracks().findIndex((track) => track.mode === 'showing');
  const update = () => {
    const all = tracks();
    const track = all[shown()];
    captionsButton.hidden = all.length === 0;
    captionsButton.setAttribute('aria-pressed', String(Boolean(track)));
    captionsButton.textContent = track && all.length > 1 ? `CC ${track.language || track.label}` : 'CC';
    captionsButton.setAttribute('aria-label', track ? `Captions: ${track.label || track.language}` : 'Captions: off');
  };
  captionsButton.addEventListener('click', () => {
    const all = tracks();
    const next = shown() + 1;
    all.forEach((track, index) => { track.mode = index === next ? 'showing' : 'disabled'; });
    update();
  });
  for (const event of ['addtrack', 'removetrack', 'change']) video.textTracks.addEventListener(event, update);
  update();
}

/** The keys that players have in common; those of a focused video are the browser's own. */
function setUpKeys() {
  const move = (by) => { video.currentTime = Math.max(0, video.currentTime + by); };
  const fullScreen = () => (document.fullscreenElement ? document.exitFullscreen() : stage.requestFullscreen?.());
  const anywhere = { c: () => captionsButton.click(), f: fullScreen, k: toggle, m: () => { video.muted = !video.muted; } };
  const outside = { ' ': toggle, ArrowLeft: () => move(-STEP), ArrowRight: () => move(STEP) };
  document.addEventListener('keydown', (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || !refusal.hidden) return;
    const act = anywhere[event.key] ?? (event.target === document.body ? outside[event.key] : undefined);
    if (!act) return;
    event.preventDefault();
    act();
  });
}

async function start() {
  const source = globalThis.ManagedMediaSource ?? globalThis.MediaSource;
  try {
    if (source?.isTypeSupported('video/mp4; codecs="avc1.42E01E,mp4a.40.2"')) await startHlsJs();
    else if (video.canPlayType(HLS_TYPE)) startNative();
    else return fail('This browser cannot play this video.');
  } catch {
    return fail('The player could not be loaded.');
  }
  if (options.autoplay) play();
}

async function startHlsJs() {
  const { default: Hls } = await import(new URL(document.body.dataset.hls, document.baseURI).href);
  const { maxBufferLength, maxBufferSize } = Hls.DefaultConfig;
  const little = options.preload === 'auto' ? {} : { maxBufferLength: 1, maxBufferSize: 0 };
  const hls = new Hls({
    ...little,
    startPosition: options.startTime || -1,
    xhrSetup: (_, url) => requireOwn(url),
  });
  let loaded = false;
  const load = () => {
    if (!loaded) hls.loadSource(own('manifest/video.m3u8'));
    loaded = true;
  };
  begin = () => {
    Object.assign(hls.config, { maxBufferLength, maxBufferSize });
    load();
  };
  stop = () => hls.destroy();
  hls.on(Hls.Events.ERROR, (_, error) => onHlsError(Hls, hls, error));
  hls.attachMedia(video);
  if (options.preload !== 'none' || !video.paused) load();
}

/** A refusal ends it at once; of other troubles hls.js overcomes all but the fatal ones. */
function onHlsError(Hls, hls, { fatal, type, networkDetails: response }) {
  const denied = response?.getResponseHeader?.('X-Vidpass-Denial');
  if (denied || (fatal && response?.status >= 400)) {
    const { code, message } = readRefusal(response.response);
    const decision = response.getResponseHeader('X-Vidpass-Decision');
    return message ? refuse({ code, message, decision, final: Boolean(denied) }) : fail();
  }
  if (!fatal) return;
  if (type !== Hls.ErrorTypes.MEDIA_ERROR || hls.recovering) return fail();
  hls.recovering = true;
  hls.recoverMediaError();
}

/** What the server says of a refusal, whichever type was expected. */
function readRefusal(body) {
  try {
    return JSON.parse(typeof body === 'string' ? body : new TextDecoder().decode(body));
  } catch {
    return {};
  }
}

function startNative() {
  const source = own('manifest/video.m3u8');
  // The element does not say why it stopped, so the manifest is asked for once more.
  const why = async () => {
    const response = await fetch(source).catch(() => undefined);
    if (!response || response.ok) return video.error && fail();
    const { code, message } = await response.json().catch(() => ({}));
    const final = response.headers.has('X-Vidpass-Denial');
    return message ? refuse({ code, message, decision: response.headers.get('X-Vidpass-Decision'), final }) : fail();
  };
  for (const event of ['error', 'stalled']) video.addEventListener(event, why);
  stop = () => video.removeAttribute('src');
  video.addEventListener('loadedmetadata', () => { video.currentTime = options.startTime; }, { once: true });
  video.preload = options.preload;
  video.src = source;
}

function fail(message = 'This video cannot be played at the moment.') {
  refuse({ message, final: false });
}

/** Shows a refusal instead of the video. One that is not final may be gone at the next try. */
function refuse({ code, message, decision, final }) {
  if (!refusal.hidden) return;
  video.pause();
  stop();
  const element = (name, text) => Object.assign(document.createElement(name), { textContent: text });
  const facts = element('dl', '');
  for (const [name, value] of [['Code', code], ['Decision', decision]]) {
    if (value) facts.append(element('dt', name), element('dd', value));
  }
  const again = Object.assign(element('button', 'Try again'), { type: 'button', onclick: () => location.reload() });
  for (const other of [video, playButton, captionsButton]) other.hidden = true;
  refusal.hidden = false;
  refusal.replaceChildren(element('h1', message), ...(facts.children.length ? [facts] : []), ...(final ? [] : [again]));
  document.title = message;
  refusal.focus();
}
