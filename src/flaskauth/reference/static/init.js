// Shows the API's description and tries its calls at the server that this page came from, by whatever name that was reached.
const page = document.getElementById("docs");
const root = new URL(page.dataset.root, location.href).href.replace(/\/$/, "");

fetch(page.dataset.description)
  .then((answer) => answer.json())
  .then((description) =>
    SwaggerUIBundle({
      domNode: page,
      spec: { ...description, servers: [{ url: root }] },
      deepLinking: true,
      tryItOutEnabled: true,
      displayRequestDuration: true,
      validatorUrl: null, // nothing is sent elsewhere
    }),
  )
  .catch(() => {
    page.textContent = "The description could not be read. Please load this page again.";
  });
