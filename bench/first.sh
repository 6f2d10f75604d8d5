# The steps of a first converge as a plain shell script, without any check: packages, user, environment, web2py,
# the starter page, uWSGI, certificate, nginx. $1 is the domain; standard input carries the application as a tar.
set -eu
export DEBIAN_FRONTEND=noninteractive
site=web2py
root=/srv/$site
state=/var/lib/$site
mkdir -p $root/web2py/applications/starter $state /etc/$site/tls
tar -x -C $root/web2py/applications/starter
apt-get update -q
apt-get install -yq --no-install-recommends python3-venv ca-certificates uwsgi-core uwsgi-plugin-python3 \
  python3-cryptography nginx openssl
useradd --system --home-dir $state --shell /usr/sbin/nologin $site

python3 -m venv $root/environment
needed="pydal==20260520.0 yatl==20260805.1"
if python3 -c 'import sys; sys.exit(sys.version_info < (3, 13))'; then needed="$needed zombie-imp legacy-cgi"; fi
# shellcheck disable=SC2086
$root/environment/bin/pip install -q $needed
$root/environment/bin/pip download -q --no-deps -d /tmp/wheel web2py-gluon==2.26.1
python3 -m zipfile -e /tmp/wheel/web2py_gluon-*.whl $root/web2py
cd $root/web2py
rm -rf ./*.dist-info applications/admin applications/welcome applications/examples
echo 'Version 2.26.1-stable+timestamp.2024.01.01.00.00.00' > VERSION
cp handlers/wsgihandler.py wsgihandler.py
sed -i '/^import gluon.main/i import urllib.request, gluon._compat\ngluon._compat.FancyURLopener = urllib.request.FancyURLopener' wsgihandler.py
mkdir -p deposit logs site-packages
for folder in models views controllers modules static languages cron private; do mkdir -p applications/starter/$folder; done
for folder in databases errors sessions uploads cache; do
  mkdir -p $state/starter/$folder
  ln -s $state/starter/$folder applications/starter/$folder
done
find applications/starter/static -type f -exec gzip -9 -k {} \;
printf 'routers = dict(BASE=dict(default_application="starter"))\n' > routes.py
chown -R $site:$site $state
chgrp -R $site $root && chmod -R o-w $root

cat > /etc/$site/uwsgi.ini <<INI
[uwsgi]
plugin = python3
socket = /run/$site/app.sock
chmod-socket = 660
chown-socket = $site:www-data
chdir = $root/web2py
virtualenv = $root/environment
module = wsgihandler:application
master = true
processes = 4
harakiri = 60
die-on-term = true
INI
cat > /etc/systemd/system/$site.service <<UNIT
[Unit]
After=network.target
[Service]
Type=notify
User=$site
Group=www-data
RuntimeDirectory=$site
ExecStart=/usr/bin/uwsgi-core --ini /etc/$site/uwsgi.ini
Restart=always
[Install]
WantedBy=multi-user.target
UNIT

cd /etc/$site/tls
openssl ecparam -name prime256v1 -genkey -noout -out ca.key
openssl req -x509 -new -key ca.key -subj "/CN=$site" -days 3650 -out ca.pem
openssl ecparam -name prime256v1 -genkey -noout -out key.pem
openssl req -new -key key.pem -subj "/CN=$1" -out request.pem
printf 'subjectAltName=DNS:%s\n' "$1" > extensions
openssl x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 365 -extfile extensions -out certificate.pem
cat > /etc/nginx/sites-available/$site <<NGINX
server { listen 80 default_server; return 301 https://$1\$request_uri; }
server {
  listen 443 ssl http2;
  server_name $1;
  ssl_certificate /etc/$site/tls/certificate.pem;
  ssl_certificate_key /etc/$site/tls/key.pem;
  location ~ ^/(\w+)/static/(.*)\$ { alias $root/web2py/applications/\$1/static/\$2; gzip_static on; }
  location / { include uwsgi_params; uwsgi_param UWSGI_SCHEME \$scheme; uwsgi_pass unix:/run/$site/app.sock; }
}
NGINX
ln -sf /etc/nginx/sites-available/$site /etc/nginx/sites-enabled/$site
rm -f /etc/nginx/sites-enabled/default
nginx -t
systemctl daemon-reload
systemctl enable --now $site.service
systemctl restart nginx
python3 - "$1" <<'ASK'
import http.client, socket, ssl, sys, time
for attempt in range(60):
    try:
        context = ssl.create_default_context(cafile="/etc/web2py/tls/ca.pem")
        connection = http.client.HTTPSConnection(sys.argv[1], context=context)
        connection.sock = context.wrap_socket(socket.create_connection(("127.0.0.1", 443)), server_hostname=sys.argv[1])
        connection.request("GET", "/")
        if connection.getresponse().status == 200:
            sys.exit(0)
    except OSError:
        pass
    time.sleep(0.5)
sys.exit("the site does not answer")
ASK
