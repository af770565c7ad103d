// Render the OpenAPI document with Swagger UI. "Try it out" calls the origin of this page, whatever its host name is.
const page = document.getElementById("docs");
const root = new URL(page.dataset.root, location.href).href.replace(/\/$/, "");

// The style sheet of Swagger UI is dark below `html.dark-mode`.
const darkScheme = matchMedia("(prefers-color-scheme: dark)");
const applyScheme = () => document.documentElement.classList.toggle("dark-mode", darkScheme.matches);
darkScheme.addEventListener("change", applyScheme);
applyScheme();

// Screen readers cannot use a link inside of the button of an operation, nor a list of one server without a label.
const accessible = {
  wrapComponents: {
    DeepLink: (_original, system) => ({ text }) => system.React.createElement("span", null, text),
    ServersContainer: () => () => null,
  },
};

// Swagger UI has no option for these labels.
const LABELS = {
  ".examples-select-element": "Example",
  ".body-param__text": "Request body",
  ".close-modal": "Close",
  ".modal-btn.authorize": "Authorize",
  "input[type=file]": "File",
};
new MutationObserver(() => {
  for (const [selector, label] of Object.entries(LABELS)) {
    for (const element of page.querySelectorAll(selector)) element.setAttribute("aria-label", label);
  }
}).observe(page, { childList: true, subtree: true });

fetch(page.dataset.document)
  .then((response) => response.json())
  .then((document_) =>
    SwaggerUIBundle({
      domNode: page,
      spec: { ...document_, servers: [{ url: root }] },
      plugins: [accessible],
      deepLinking: true,
      tryItOutEnabled: true,
      displayRequestDuration: true,
      validatorUrl: null, // send nothing to the online validator
    }),
  )
  .catch(() => {
    page.textContent = "The OpenAPI document could not be loaded. Reload the page.";
  });
