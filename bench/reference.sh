# Builds the recipe of the book's chapter beside a site of ours (its short name is $1): nginx and uWSGI set as the chapter
# and upstream's newest script set them. Other ports, and the distribution's uWSGI program that our site uses too.
set -eu
site=$1
root=/home/www-data/web2py
export DEBIAN_FRONTEND=noninteractive
command -v wrk >/dev/null || { apt-get update -q && apt-get install -yq --no-install-recommends wrk; } > /dev/null 2>&1 < /dev/null
grep -q reference.test /etc/hosts || echo '127.0.0.1 plain.test secure.test reference.test' >> /etc/hosts

# The same web2py, the same application, as one tree owned by www-data.
rm -rf /home/www-data
mkdir -p "$root" /home/www-data/venv /etc/uwsgi-reference /var/log/uwsgi /etc/nginx/ssl
cp -rL /srv/"$site"/current/web2py/. "$root"
rm -f "$root"/routes.py "$root"/logging.conf "$root"/parameters_*.py
rm -rf "$root"/applications/probe/databases "$root"/applications/probe/sessions
mkdir -p "$root"/applications/probe/databases "$root"/applications/probe/sessions
find "$root"/applications -name '*.gz' -delete
cp "$root"/handlers/wsgihandler.py "$root"/wsgihandler.py
# Without this line web2py 2.26.1 cannot import its own Auth on any supported Python; everything else is as shipped.
[ ! -e "$root"/gluon/_compat.py ] || sed -i '/^import gluon.main/i import urllib.request, gluon._compat\ngluon._compat.FancyURLopener = urllib.request.FancyURLopener' "$root"/wsgihandler.py
cp -rL /srv/"$site"/current/environment/. /home/www-data/venv
chown -R www-data:www-data /home/www-data
chmod -R 755 /home/www-data

cat > /etc/uwsgi-reference/web2py.ini <<INI
[uwsgi]
plugin = python3
socket = /tmp/web2py.socket
pythonpath = $root/
mount = /=wsgihandler:application
processes = 4
master = true
harakiri = 60
reload-mercy = 8
cpu-affinity = 1
stats = /tmp/stats.socket
max-requests = 2000
limit-as = 512
reload-on-as = 256
reload-on-rss = 192
uid = www-data
gid = www-data
touch-reload = $root/routes.py
no-orphans = true
home = /home/www-data/venv
INI
touch "$root"/routes.py

cat > /etc/systemd/system/reference.service <<UNIT
[Service]
ExecStart = /usr/bin/uwsgi-core --master --die-on-term --emperor /etc/uwsgi-reference --logto /var/log/uwsgi/uwsgi.log
Restart = always
KillSignal = SIGQUIT
Type = notify
NotifyAccess = all
User = www-data
Group = www-data
UNIT
chown -R www-data:www-data /var/log/uwsgi

openssl req -x509 -nodes -sha256 -days 365 -newkey rsa:2048 -subj /CN=reference.test \
  -keyout /etc/nginx/ssl/web2py.key -out /etc/nginx/ssl/web2py.crt 2>/dev/null
locations() {
  cat <<LOCATIONS
        location ~* ^/(\w+)/static(?:/_[\d]+\.[\d]+\.[\d]+)?/(.*)\$ {
            alias $root/applications/\$1/static/\$2;
            expires max;
        }
        location / {
            uwsgi_pass      unix:///tmp/web2py.socket;
            include         uwsgi_params;
            uwsgi_param     UWSGI_SCHEME \$scheme;
            uwsgi_param     SERVER_SOFTWARE    nginx/\$nginx_version;
        }
LOCATIONS
}
cat > /etc/nginx/reference.conf <<NGINX
user www-data;
worker_processes auto;
pid /run/nginx-reference.pid;
events { worker_connections 768; }
http {
    sendfile on;
    tcp_nopush on;
    types_hash_max_size 2048;
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    access_log /var/log/nginx/reference.log;
    gzip on;
    server {
        listen 8080;
        server_name \$hostname;
$(locations)
    }
    server {
        listen 8443 default_server ssl;
        server_name \$hostname;
        ssl_certificate /etc/nginx/ssl/web2py.crt;
        ssl_certificate_key /etc/nginx/ssl/web2py.key;
        ssl_prefer_server_ciphers on;
        ssl_session_cache shared:SSL:10m;
        ssl_session_timeout 10m;
        ssl_ciphers ECDHE-RSA-AES256-SHA:DHE-RSA-AES256-SHA:DHE-DSS-AES256-SHA:DHE-RSA-AES128-SHA:DHE-DSS-AES128-SHA;
        ssl_protocols TLSv1 TLSv1.1 TLSv1.2;
        keepalive_timeout 70;
$(locations)
    }
    # Not the chapter's: the plainest way to send a file, as a yardstick for static files.
    server {
        listen 8081;
        access_log off;
        root $root/applications;
    }
}
NGINX
[ ! -e /run/nginx-reference.pid ] || nginx -c /etc/nginx/reference.conf -s stop || true
systemctl daemon-reload
systemctl restart reference.service
nginx -c /etc/nginx/reference.conf > /dev/null 2>&1 < /dev/null
for _try in $(seq 60); do
  python3 -c 'import urllib.request; urllib.request.urlopen("http://reference.test:8080/probe/small", timeout=10)' 2>/dev/null && exit 0
  sleep 0.5
done
echo "the reference does not answer"; tail -n 30 /var/log/uwsgi/uwsgi.log; exit 1
